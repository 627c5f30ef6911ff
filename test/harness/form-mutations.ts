import { edited, lines, type Files, type Mutation } from './mutating.js';

const cell = (from: RegExp | string, to: string): ((files: Files) => void) => edited('events.csv', from, to);
const fhir = (from: RegExp | string, to: string): ((files: Files) => void) => edited('events.fhir.ndjson', from, to);
const invented = Buffer.from('["AAECAwQFBgcICQoLDA0ODw","net",{"ip":"203.0.113.9","ua":"Nobody"}]').toString(
  'base64url',
);
const at = (index: number) => (all: string[]) => all.toSpliced(index, 1);

/** Of what says the same in other forms: the table, the AuditEvents, the disclosures. */
export const FORM_MUTATIONS: Mutation[] = [
  {
    of: 'log',
    name: 'a cell that contradicts its leaf',
    change: cell(/,200,/, ',201,'),
    says: /not what the leaf says/,
  },
  {
    of: 'log',
    name: 'a cell of somebody else',
    change: cell(/\n(\d+),,([0-9a-f]{8})/, '\n$1,,00000000'),
    says: /not what the leaf says/,
  },
  { of: 'log', name: 'a row deleted', change: lines('events.csv', at(5)), says: /leaf|not what/ },
  { of: 'log', name: 'a leaf of the table edited', change: cell(/""out"":0/, '""out"":4'), says: /leaf is another/ },
  { of: 'log', name: 'a column renamed', change: cell('/e/out', '/e/v'), says: /twice|not what the leaf says/ },
  {
    of: 'log',
    name: 'an AuditEvent of another outcome',
    change: fhir('"outcome":"0"', '"outcome":"8"'),
    says: /outcome/,
  },
  { of: 'log', name: 'an AuditEvent of another action', change: fhir('"action":"R"', '"action":"U"'), says: /action/ },
  {
    of: 'log',
    name: 'an AuditEvent of another time',
    change: fhir(/"recorded":"2/, '"recorded":"1'),
    says: /recorded/,
  },
  {
    of: 'log',
    name: 'an AuditEvent of another patient',
    change: fhir(/"reference":"Patient\/[0-9a-f]{8}/, '"reference":"Patient/00000000'),
    says: /patient|touched/,
  },
  {
    of: 'log',
    name: 'an AuditEvent of another user',
    change: fhir(/(account","value":")[0-9a-f]{8}/, '$100000000'),
    says: /user/,
  },
  {
    of: 'log',
    name: 'an AuditEvent with another leaf',
    change: fhir(/"valueBase64Binary":"eyJlIj/, '"valueBase64Binary":"eyJlIi'),
    says: /leaf is another|base64/,
  },
  {
    of: 'log',
    name: 'an AuditEvent from another address',
    change: fhir(/"address":"[0-9.:]+","type":"2"/, '"address":"203.0.113.9","type":"2"'),
    says: /address/,
  },
  { of: 'log', name: 'an AuditEvent deleted', change: lines('events.fhir.ndjson', at(7)), says: /leaf is another/ },
  {
    of: 'log',
    name: 'an invented disclosure',
    change: lines('disclosures.ndjson', (all) =>
      all.with(2, all[2]!.replace(/"disclosure":"[^"]*"/, `"disclosure":"${invented}"`)),
    ),
    says: /does not commit/,
  },
  {
    of: 'log',
    name: 'a disclosure moved to another line',
    change: lines('disclosures.ndjson', (all) =>
      all.with(0, all[0]!.replace(/"leafIndex":\d+/, '"leafIndex":1000000')),
    ),
    says: /commit|no line|nothing opens/,
  },
  {
    of: 'log',
    name: 'a disclosure twice',
    change: lines('disclosures.ndjson', (all) => [all[0]!, ...all]),
    says: /twice/,
  },
];
