import { attachmentOf } from './attachments.js';
import { entityIdentifier, entityNumber, personOf, some, tableConcept } from './datatypes.js';
import { sourceIdOf } from './ids.js';
import type { Mapping } from './mapping.js';
import { valueOf } from './observation-value.js';
import type { Mapped } from './results.js';
import type { Segment } from './segment.js';

const CONFIDENTIALITY = 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality';
/** Table 0272; what is not in it (a sender's own) is restricted. */
const CONFIDENTIAL: Readonly<Record<string, string>> = { V: 'V', R: 'R', U: 'N' };
/** Table 0271. */
const FINAL: ReadonlySet<string> = new Set(['AU', 'LA', 'DO']);
/** Table 0273: cancelled, deleted; obsolete. */
const WITHDRAWN: ReadonlySet<string> = new Set(['CA']);
const OBSOLETE: ReadonlySet<string> = new Set(['OB']);
const REPLACES = 'T10';

interface Subject {
  patientId: string;
  encounterId: string | undefined;
}

/** TXA with the OBX that are its content; T10: it stands in the place of the document of TXA-13. */
export function documentOf(
  txa: Segment,
  content: readonly Segment[],
  event: string,
  subject: Subject,
  mapping: Mapping,
): Mapped {
  const { sender, zone, meta } = mapping;
  const number = txa.first(12);
  if (number?.get(1) === undefined) throw txa.fault('missing-field', '101', 12, 'A document needs its unique number.');
  const id = sourceIdOf('DocumentReference', ...entityNumber(number));
  const parent = txa.first(13);
  const parentId = parent?.get(1) === undefined ? undefined : sourceIdOf('DocumentReference', ...entityNumber(parent));
  const availability = (txa.get(19) ?? '').toUpperCase();
  const date = txa.time(7, zone) ?? txa.time(6, zone);
  const confidentiality = confidentialityOf(txa);
  const resource = {
    resourceType: 'DocumentReference',
    id,
    meta: confidentiality === undefined ? meta : { ...meta, security: [confidentiality] },
    masterIdentifier: entityIdentifier(number, sender),
    identifier: some([entityIdentifier(txa.first(15), sender), entityIdentifier(txa.first(14), sender)]),
    status: WITHDRAWN.has(availability) ? 'entered-in-error' : OBSOLETE.has(availability) ? 'superseded' : 'current',
    docStatus: txa.get(17) === undefined ? undefined : FINAL.has(txa.get(17)!.toUpperCase()) ? 'final' : 'preliminary',
    type: tableConcept(txa.first(2), '0270', sender),
    subject: { reference: `Patient/${subject.patientId}` },
    date: date?.includes('T') ? date : undefined,
    author: some(txa.all(9).map((xcn) => personOf(xcn, sender))),
    authenticator: personOf(txa.first(10) ?? txa.first(22), sender),
    relatesTo:
      parentId === undefined || parentId === id
        ? undefined
        : [
            {
              code: event === REPLACES ? 'replaces' : 'appends',
              target: { reference: `DocumentReference/${parentId}` },
            },
          ],
    description: txa.get(25) ?? txa.get(16),
    securityLabel: confidentiality && [{ coding: [confidentiality] }],
    content: contentOf(txa, content, mapping),
    context: contextOf(txa, subject, mapping),
  };
  return { line: txa.line, resource };
}

function confidentialityOf(txa: Segment): object | undefined {
  const said = txa.get(18)?.toUpperCase();
  if (said === undefined) return undefined;
  return { system: CONFIDENTIALITY, code: Object.hasOwn(CONFIDENTIAL, said) ? CONFIDENTIAL[said] : 'R' };
}

function contextOf(txa: Segment, { encounterId }: Subject, { zone }: Mapping): object | undefined {
  const start = txa.time(4, zone);
  const encounter = encounterId === undefined ? undefined : [{ reference: `Encounter/${encounterId}` }];
  return start === undefined && encounter === undefined ? undefined : { encounter, period: start && { start } };
}

const isFile = (obx: Segment): boolean => ['ED', 'RP'].includes((obx.get(2) ?? '').toUpperCase());

/** Files as they are, and all that is said in segments as one text. */
function contentOf(txa: Segment, content: readonly Segment[], mapping: Mapping): object[] {
  const files = content.filter(isFile).map((obx) => ({ attachment: attachmentOf(obx, mapping) }));
  const lines = content.filter((obx) => !isFile(obx)).flatMap((obx) => lineOf(obx, mapping) ?? []);
  const data = Buffer.from(lines.join('\n'), 'utf8').toString('base64');
  const text = lines.length === 0 ? [] : [{ attachment: { contentType: 'text/plain; charset=utf-8', data } }];
  const all = [...text, ...files];
  return all.length > 0 ? all : [{ attachment: { title: txa.get(16) ?? txa.get(12) } }];
}

const TEXTS: ReadonlySet<string> = new Set(['TX', 'FT', 'ST']);

function lineOf(obx: Segment, mapping: Mapping): string | undefined {
  const words = obx.all(5).flatMap((one) => (TEXTS.has((obx.get(2) ?? '').toUpperCase()) ? one.text : one.words) ?? []);
  if (valueOf(obx, mapping) === undefined || words.length === 0) return undefined;
  const name = obx.get(3, 2) ?? obx.get(3, 1);
  const isText = TEXTS.has((obx.get(2) ?? '').toUpperCase());
  return isText || name === undefined ? words.join('\n') : `${name}: ${words.join(', ')}`;
}
