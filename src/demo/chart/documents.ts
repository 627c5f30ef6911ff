import { createHash } from 'node:crypto';
import { instant, localTime } from '../core/dates.js';
import { coding, concept, hl7, SYSTEM } from '../core/fhir.js';
import { SOURCE } from '../core/identity.js';
import type { JsonObject } from '../core/json.js';
import { organizationRef, practitionerRef } from '../directory.js';
import type { Clinician } from '../people.js';
import type { Chart, Reference } from './chart.js';

const NOTE_TYPES = {
  progress: ['11506-3', 'Progress note'],
  history: ['34117-2', 'History and physical note'],
  discharge: ['18842-5', 'Discharge summary'],
  emergency: ['34111-5', 'Emergency department Note'],
} as const;

export type NoteType = keyof typeof NOTE_TYPES;

export interface Note {
  type: NoteType;
  at: Date;
  start: Date;
  encounter: Reference;
  author: Clinician;
  lines: readonly string[];
  security?: JsonObject[];
}

export function recordNote(chart: Chart, note: Note): Reference {
  const [code, display] = NOTE_TYPES[note.type];
  const text = [display.toUpperCase(), '', ...note.lines, '', `Signed: ${note.author.displayName}`, ''].join('\n');
  return chart.add({
    type: 'DocumentReference',
    at: note.at,
    profile: 'documentreference',
    security: note.security,
    body: {
      identifier: [{ system: `${SOURCE}/note`, value: `${chart.person.mrn}-${note.at.getTime().toString(36)}` }],
      status: 'current',
      docStatus: 'final',
      type: concept([[SYSTEM.loinc, code, display]]),
      category: [
        {
          coding: [
            coding([
              'http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category',
              'clinical-note',
              'Clinical Note',
            ]),
          ],
        },
      ],
      subject: chart.subject,
      date: instant(note.at),
      author: [practitionerRef(note.author)],
      custodian: organizationRef('hospital'),
      content: [{ attachment: plainText(text, display, note.at) }],
      context: {
        encounter: [note.encounter],
        period: { start: localTime(note.start), end: localTime(note.at) },
      },
    },
  });
}

/** Size and SHA-1 hash are of the bytes before base64, as R4 has it. */
function plainText(text: string, title: string, at: Date): JsonObject {
  const bytes = Buffer.from(text, 'utf8');
  return {
    contentType: 'text/plain; charset=utf-8',
    language: 'en',
    data: bytes.toString('base64'),
    size: bytes.length,
    hash: createHash('sha1').update(bytes).digest('base64'),
    title,
    creation: localTime(at),
  };
}

/** A chest film: the order, and the radiologist's words as a report without results. */
export function recordChestFilm(
  chart: Chart,
  at: Date,
  encounter: Reference,
  requester: JsonObject,
  finding: string,
): void {
  const code = concept([[SYSTEM.loinc, '36643-5', 'XR Chest 2 Views']]);
  const request = chart.add({
    type: 'ServiceRequest',
    at,
    profile: 'servicerequest',
    body: {
      status: 'completed',
      intent: 'order',
      category: [concept([[SYSTEM.snomed, '363679005', 'Imaging']])],
      code,
      subject: chart.subject,
      encounter,
      occurrenceDateTime: localTime(at),
      authoredOn: localTime(at),
      requester,
    },
  });
  chart.add({
    type: 'DiagnosticReport',
    at,
    profile: 'diagnosticreport-note',
    body: {
      basedOn: [request],
      status: 'final',
      category: [concept([[SYSTEM.loinc, 'LP29684-5', 'Radiology']]), hl7('v2-0074', 'RAD', 'Radiology')],
      code,
      subject: chart.subject,
      encounter,
      effectiveDateTime: localTime(at),
      issued: instant(at),
      performer: [organizationRef('hospital')],
      presentedForm: [plainText(`CHEST, TWO VIEWS\n\n${finding}\n`, 'Chest X-ray report', at)],
      conclusion: finding,
    },
  });
}
