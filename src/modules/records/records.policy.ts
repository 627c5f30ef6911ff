import type { Person } from '../../platform/access/ability-factory.js';
import type { Policy } from '../../platform/access/ability.js';

function readCharts(policy: Policy, charts: string[]): void {
  policy.allow(['read', 'list'], 'Record', { patientId: { $in: charts } });
  policy.allow(['read', 'list'], 'RecordVersion', { patientId: { $in: charts } });
  // What a record is attached to decides: nothing is said of attachments by themselves.
  policy.allow(['read', 'list', 'download'], 'Attachment', { patientId: { $in: charts } });
  policy.allow('download', 'Record', { patientId: { $in: charts } });
  policy.allow('list', 'Provenance', { patientId: { $in: charts } });
  policy.allow('read', 'Summary', { patientId: { $in: charts } });
  policy.allow('list', 'Timeline', { patientId: { $in: charts } });
}

/** Taking a copy along, and having it sent: the patient's, and whoever acts for them. */
function takeCharts(policy: Policy, charts: string[]): void {
  policy.allow(['create', 'list', 'read', 'end', 'download'], 'ChartDownload', { patientId: { $in: charts } });
  policy.allow(['create', 'list'], 'Transmission', { patientId: { $in: charts } });
}

/**
 * Patients open their own charts, proxies those of whom they act for, clinicians those of their panel, nobody else any. A feed
 * brings records in and sees what became of its own imports; it reads no chart.
 */
export function recordsPolicy(policy: Policy, person: Person): void {
  // Also with no chart in reach: then every chart is one that is not there, as for anybody else's.
  if (person.roles.has('patient')) {
    const charts = [...person.patientIds];
    readCharts(policy, charts);
    takeCharts(policy, charts);
    // What they supply is theirs to give and to withdraw; whether results wait for a clinician's word is their wish alone.
    policy.allow(['create', 'retract'], 'Record', { patientId: { $in: charts } });
    policy.allow(['read', 'update'], 'ChartSettings', { patientId: { $in: charts } });
  }
  // Who acts for a patient reads, less what is sensitive and not open to them: `visible` and the row policies say which.
  if (person.roles.has('proxy')) {
    const charts = [...person.proxied.keys()];
    readCharts(policy, charts);
    takeCharts(policy, charts);
  }
  if (person.roles.has('clinician')) {
    const charts = [...person.panel];
    readCharts(policy, charts);
    policy.allow(['create', 'update', 'retract'], 'Record', { patientId: { $in: charts } });
    // Holding back is said of one record by one clinician; so is that a result was looked at, and what patients supplied is gone by.
    policy.allow(['review', 'accept', 'decline'], 'Record', { patientId: { $in: charts } });
    policy.allow(['create', 'end', 'list', 'read'], 'Hold', { patientId: { $in: charts } });
    policy.allow('list', 'HoldReport', { patientId: { $in: charts } });
    policy.allow('read', 'ChartSettings', { patientId: { $in: charts } });
  }
  // Whether exceptions to information blocking are used as they are meant (45 CFR 171) is theirs to look after.
  if (person.roles.has('compliance_officer')) policy.allow('list', 'HoldReport');
  // Which records are sensitive is a decision of records officers; compliance officers look at what was decided.
  if (person.roles.has('records_officer')) policy.allow(['read', 'update', 'list'], 'SensitivityRules');
  if (person.roles.has('compliance_officer')) policy.allow(['read', 'list'], 'SensitivityRules');
  // Putting right what a feed sent broken is the records office's work; the feed sees what lies there of its own.
  if (person.roles.has('records_officer')) {
    policy.allow(['read', 'list', 'update', 'confirm', 'decline'], 'Quarantine');
    // So is the last word on whether two charts are one person's.
    policy.allow(['read', 'list', 'confirm', 'revoke'], 'ChartMerge');
  }
  if (person.roles.has('integration') && person.source !== null) {
    policy.allow(['create', 'import', 'confirm', 'end', 'read', 'list'], 'Import', { accountId: person.id });
    policy.allow(['read', 'list'], 'Quarantine', { accountId: person.id });
  }
}
