import { bundleOf, entryOf, importBundle, patientText, weightText } from './feed.js';
import type { Load } from './load.js';
import { makeAdmin, makeFeed, makePatient, makeStaff, type Caller, type Patient } from './people.js';
import type { Portal } from './portal.js';

/** A few patients with records and somebody who registers more: who a load is made of. */
export interface Town {
  staff: Caller;
  patients: Patient[];
  recordIds: string[];
  /** Sixteen: eight readers, four registrars, four that change their own names. */
  works(load: Load): Parameters<Load['start']>[0];
}

const PATIENTS = 4;

export async function makeTown(portal: Portal): Promise<Town> {
  const admin = await makeAdmin(portal);
  const staff = await makeStaff(portal, admin, 'staff');
  const feed = await makeFeed(portal, admin, 'https://ehr.example/town');
  const patients: Patient[] = [];
  const recordIds: string[] = [];
  for (let n = 0; n < PATIENTS; n++) {
    const mrn = `TOWN-${n}`;
    const patient = await makePatient(portal, admin, { mrn });
    const fullUrl = `urn:uuid:5b1bd2a4-6c2e-4c6a-9b53-4cc46ef9ad0${n}`;
    const weights = Array.from({ length: 8 }, (_, at) => entryOf(weightText(`w${n}-${at}`, fullUrl, `7${at}.50`)));
    await importBundle(feed, bundleOf('collection', entryOf(patientText(`p${n}`, mrn), { fullUrl }), ...weights));
    const { body } = await patient.get(`/v1/patients/${patient.patientId}/records?type=Observation`).expect(200);
    recordIds.push((body as { items: { id: string }[] }).items[0]!.id);
    patients.push(patient);
  }
  return {
    staff,
    patients,
    recordIds,
    works: (load) => [
      ...patients.flatMap((patient, n) => [load.reader(patient, recordIds[n]!), load.reader(patient, recordIds[n]!)]),
      ...patients.map(() => load.registrar(staff)),
      ...patients.map((patient) => load.renamer(patient)),
    ],
  };
}
