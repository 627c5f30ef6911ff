import { newId } from '../../../../platform/ids.js';
import type { RecordView } from '../../record.dto.js';
import { narrated } from '../escape.js';
import { entryText, textInBundle } from '../fhir-collection.js';
import { madeWords, NOTICE, saidOf, scopeWords, whenOf, type Printed } from '../printed.js';
import { IPS_SECTIONS, SectionRecords, type IpsSection } from './sections.js';

const PROFILE = 'http://hl7.org/fhir/uv/ips/StructureDefinition';
const XHTML = 'http://www.w3.org/1999/xhtml';

interface Kept {
  id: string;
  text: string;
  /** Its row of the narrative, escaped. */
  row: string;
}

const keptOf = (view: RecordView): Kept => {
  const cells = [whenOf(view), view.display, saidOf(view).join('; ')].map((text) => `<td>${narrated(text)}</td>`);
  return { id: view.id, text: textInBundle(view), row: `<tr>${cells.join('')}</tr>` };
};

const narrative = (inner: string): object => ({
  status: 'generated',
  div: `<div xmlns="${XHTML}">${inner}</div>`,
});

/** The patient as the register has them, where no feed has sent a Patient (or it is outside of what was asked for). */
function patientText({ person }: Printed): string {
  const { registered, patientId, name, birthDate } = person;
  const unknown = {
    extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/data-absent-reason', valueCode: 'unknown' }],
  };
  const known = registered ? { family: registered.family, given: registered.given } : { text: name };
  return JSON.stringify({
    resourceType: 'Patient',
    id: patientId,
    name: [name === '' ? { _text: unknown } : known],
    ...(registered ? { gender: registered.sex } : {}),
    ...(birthDate === '' ? { _birthDate: unknown } : { birthDate }),
  });
}

/** One section: its records, or words for that nothing is known (cmp-1: text, entries or sections). */
function sectionOf(section: IpsSection, kept: readonly Kept[], absentId: string | null): object {
  const { title, loinc, display } = section;
  const rows = kept.map(({ row }) => row).join('');
  const said =
    kept.length > 0
      ? `<table><thead><tr><th>Date</th><th>What</th><th>Details</th></tr></thead><tbody>${rows}</tbody></table>`
      : '<p>No information.</p>';
  const ids = absentId === null ? kept.map(({ id }) => id) : [absentId];
  return {
    title,
    code: { coding: [{ system: 'http://loinc.org', code: loinc, display }] },
    text: narrative(said),
    ...(ids.length > 0
      ? { entry: ids.map((id) => ({ reference: `urn:uuid:${id}` })) }
      : {
          emptyReason: {
            coding: [
              {
                system: 'http://terminology.hl7.org/CodeSystem/list-empty-reason',
                code: 'unavailable',
                display: 'Unavailable',
              },
            ],
          },
        }),
  };
}

function compositionOf(printed: Printed, ids: { composition: string; author: string }, sections: object[]): object {
  const { job, madeAt, hospital, person } = printed;
  const words = [`Made ${madeWords(madeAt)} by ${hospital}.`, `${scopeWords(job)}.`, NOTICE];
  return {
    resourceType: 'Composition',
    id: ids.composition,
    meta: { profile: [`${PROFILE}/Composition-uv-ips`] },
    text: narrative(words.map((text) => `<p>${narrated(text)}</p>`).join('')),
    status: 'final',
    type: { coding: [{ system: 'http://loinc.org', code: '60591-5', display: 'Patient summary Document' }] },
    subject: { reference: `urn:uuid:${person.patientId}` },
    date: madeAt.toISOString(),
    author: [{ reference: `urn:uuid:${ids.author}` }],
    title: `Patient Summary as of ${madeAt.toISOString().slice(0, 10)}`,
    custodian: { reference: `urn:uuid:${ids.author}` },
    section: sections,
  };
}

/**
 * An International Patient Summary (https://hl7.org/fhir/uv/ips/STU1.1/) of what was asked for: records as they were sent, a composition
 * around them. At most a hundred records a section are in memory.
 */
export async function* summaryOf(printed: Printed): AsyncGenerator<string> {
  const { job, madeAt, hospital, person, pages } = printed;
  const records = new SectionRecords<Kept>();
  let patient: string | null = null;
  for await (const views of pages())
    for (const view of views) {
      if (view.type === 'Patient' && view.id === person.patientId) patient = textInBundle(view);
      records.offer(view, () => keptOf(view));
    }
  const subject = `urn:uuid:${person.patientId}`;
  const absent = IPS_SECTIONS.flatMap((section) => {
    if (section.absent === null || records.kept.get(section)!.length > 0) return [];
    const id = newId();
    return [{ section, id, text: JSON.stringify({ ...section.absent(subject), id }) }];
  });
  const ids = { composition: newId(), author: newId() };
  const sections = IPS_SECTIONS.map((section) =>
    sectionOf(section, records.kept.get(section)!, absent.find((one) => one.section === section)?.id ?? null),
  );
  const head = {
    resourceType: 'Bundle',
    id: job.id,
    meta: { profile: [`${PROFILE}/Bundle-uv-ips`] },
    identifier: { system: 'urn:ietf:rfc:3986', value: `urn:uuid:${job.id}` },
    type: 'document',
    timestamp: madeAt.toISOString(),
  };
  yield `${JSON.stringify(head).slice(0, -1)},"entry":[`;
  yield `\n${entryText(ids.composition, JSON.stringify(compositionOf(printed, ids, sections)))}`;
  yield `,\n${entryText(person.patientId, patient ?? patientText(printed))}`;
  const author = { resourceType: 'Organization', id: ids.author, name: hospital };
  yield `,\n${entryText(ids.author, JSON.stringify(author))}`;
  for (const { id, text } of [...[...records.kept.values()].flat(), ...absent]) yield `,\n${entryText(id, text)}`;
  yield '\n]}\n';
}
