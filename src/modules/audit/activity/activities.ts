export const ACTIVITIES = ['view', 'download', 'transmit'] as const;
export type Activity = (typeof ACTIVITIES)[number];

/** Codes of the trail by what a patient calls it (45 CFR 170.315(e)(1)(ii): view, download, transmit). */
const CODES: Record<Activity, readonly string[]> = {
  view: [
    ...['Record.list', 'Record.read', 'RecordVersion.list', 'RecordVersion.read', 'Provenance.list'],
    ...['Summary.read', 'Timeline.list', 'Patient.read', 'ChartActivity.list'],
  ],
  download: ['ChartDownload.download'],
  transmit: ['Transmission.create'],
};

export const codesOf = (kind: Activity | undefined): string[] =>
  (kind === undefined ? ACTIVITIES : [kind]).flatMap((one) => CODES[one]);

export const activityOf = (code: string): Activity => ACTIVITIES.find((kind) => CODES[kind].includes(code))!;
