import { leafOf, type Entry, type Leaf } from './export-leaf.js';

type Json = Record<string, unknown>;
type Event = Leaf['e'];

const TERMINOLOGY = 'http://terminology.hl7.org/CodeSystem';
const DCM = 'http://dicom.nema.org/resources/ontology/DCM';
const PROFILES = 'https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit';
const DATA_ABSENT = 'http://hl7.org/fhir/StructureDefinition/data-absent-reason';

const coding = (system: string, code: string): Json => ({ system, code });
const concept = (system: string, code: string): Json => ({ coding: [coding(system, code)] });

/** What an event of this action is in BALP: https://profiles.ihe.net/ITI/BALP; agents' types by its profiles. */
interface Kind {
  profile: string;
  interaction: string;
  client: Json;
  server: Json;
  user: Json;
}

const SOURCE = concept(DCM, '110153');
const DESTINATION = concept(DCM, '110152');
const RECIPIENT = concept(`${TERMINOLOGY}/v3-ParticipationType`, 'IRCP');
const AUTHOR = concept(`${TERMINOLOGY}/v3-ParticipationType`, 'AUT');

const KINDS: Record<string, Kind> = {
  R: { profile: 'Read', interaction: 'read', client: DESTINATION, server: SOURCE, user: RECIPIENT },
  E: { profile: 'Query', interaction: 'search-type', client: SOURCE, server: DESTINATION, user: RECIPIENT },
  C: { profile: 'Create', interaction: 'create', client: SOURCE, server: DESTINATION, user: AUTHOR },
  U: { profile: 'Update', interaction: 'update', client: SOURCE, server: DESTINATION, user: AUTHOR },
  D: {
    profile: 'Delete',
    interaction: 'delete',
    client: concept(DCM, '110150'),
    server: concept(`${TERMINOLOGY}/provenance-participant-type`, 'custodian'),
    user: AUTHOR,
  },
};

/** DICOM PS3.16: User Authentication, and what of it. */
const LOGIN = { type: coding(DCM, '110114'), subtype: coding(DCM, '110122') };
const LOGOUT = { type: coding(DCM, '110114'), subtype: coding(DCM, '110123') };
const SIGNING: Record<string, typeof LOGIN> = {
  'Session.login': LOGIN,
  'Session.verify': LOGIN,
  'Session.logout': LOGOUT,
  'Session.logout-all': LOGOUT,
  'Session.end': LOGOUT,
};
/** Application Activity. */
const ACTIVITY = coding(DCM, '110100');

const isQuery = ({ act, sub }: Event): boolean => act === 'E' && /\.(list|search)$/.test(sub);
const isRest = (event: Event): boolean => event.http !== undefined && !SIGNING[event.sub];

function types(event: Event, base: string): Json {
  const own = coding(`${base}/fhir/CodeSystem/audit-code`, event.sub);
  const signing = SIGNING[event.sub];
  if (signing) return { type: signing.type, subtype: [signing.subtype, own] };
  if (!isRest(event)) return { type: ACTIVITY, subtype: [own] };
  const interaction = event.act === 'E' && !isQuery(event) ? 'operation' : KINDS[event.act]!.interaction;
  // BALP's Delete has room for one subtype.
  const subtype = [coding('http://hl7.org/fhir/restful-interaction', interaction)];
  return {
    type: coding(`${TERMINOLOGY}/audit-event-type`, 'rest'),
    subtype: event.act === 'D' ? subtype : [...subtype, own],
  };
}

function networkOf({ disclosure }: Entry): Json {
  const address =
    typeof disclosure === 'string'
      ? (JSON.parse(Buffer.from(disclosure, 'base64url').toString()) as [string, string, { ip?: string }])[2].ip
      : undefined;
  if (address) return { address, type: '2' };
  // Unknown: erased. Masked: whoever asked for the export left the values out.
  const valueCode = disclosure === undefined ? 'masked' : 'unknown';
  return { _address: { extension: [{ url: DATA_ABSENT, valueCode }] }, type: '2' };
}

function userOf({ actor, purp }: Event, kind: Kind, base: string): Json[] {
  if (actor.id === undefined) return [];
  const role = actor.roles?.map((name) => concept(`${base}/fhir/CodeSystem/role`, name));
  return [
    {
      type: kind.user,
      ...(role?.length ? { role } : {}),
      who: { identifier: { system: `${base}/account`, value: actor.id } },
      requestor: true,
      ...(purp === undefined ? {} : { purposeOfUse: [concept(`${TERMINOLOGY}/v3-ActReason`, purp)] }),
    },
  ];
}

function agents(entry: Entry, event: Event, base: string): Json[] {
  const kind = KINDS[event.act]!;
  const user = userOf(event, kind, base);
  const server = {
    type: kind.server,
    who: { identifier: { system: 'urn:ietf:rfc:3986', value: base } },
    requestor: false,
    network: { address: base, type: '5' },
  };
  if (event.http === undefined) return [{ ...server, type: concept(DCM, '110150') }, ...user];
  const client = {
    type: kind.client,
    who: { identifier: { system: `${base}/client`, value: 'http' } },
    requestor: user.length === 0,
    network: networkOf(entry),
  };
  return [client, server, ...user];
}

/** A chart's resources are named as such; the portal's own things (accounts, sessions) only share names with FHIR's types. */
function whatOf({ t, i }: { t: string; i: string }, { sub }: Event, base: string): Json {
  const isOfChart = /^(Record|Import)\./.test(sub) && t !== 'Import';
  return isOfChart || t === 'Patient' || t === 'Practitioner'
    ? { reference: `${t}/${i}` }
    : { identifier: { system: `${base}/id/${t}`, value: i } };
}

const entityType = (code: string): Json => coding(`${TERMINOLOGY}/audit-entity-type`, code);
const entityRole = (code: string): Json => coding(`${TERMINOLOGY}/object-role`, code);

function entities(event: Event, base: string): Json[] {
  const things = (event.res ?? []).map((thing) => whatOf(thing, event, base));
  // BALP has one data object an event (type 2), and none beside a query: further ones are of the type Other.
  const other = (what: Json): Json => ({ what, type: entityType('4'), role: entityRole('4') });
  const data = ([first, ...more]: Json[]): Json[] =>
    first ? [{ what: first, type: entityType('2'), role: entityRole('4') }, ...more.map(other)] : [];
  const { m = '', route = '' } = event.http ?? {};
  const query = {
    type: entityType('2'),
    role: entityRole('24'),
    // What was asked for in the query string is never kept: method and route template stand for the raw request.
    query: Buffer.from(`${m} ${route}`).toString('base64'),
  };
  return [
    ...(event.pat === undefined
      ? []
      : [{ what: { reference: `Patient/${event.pat}` }, type: entityType('1'), role: entityRole('1') }]),
    ...(isRest(event) && isQuery(event) ? [query, ...things.map(other)] : data(things)),
    {
      what: { identifier: { value: event.req } },
      type: coding('https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType', 'XrequestId'),
    },
  ];
}

/** The profile that the event keeps, if there is one: profiles tell of successes, with the data that they were about. */
function profileOf(event: Event): Json {
  const hasData = isQuery(event) || (event.act !== 'E' && (event.res ?? []).length > 0);
  if (event.out !== 0 || !isRest(event) || !hasData) return {};
  const patient = event.pat === undefined ? '' : 'Patient';
  return { meta: { profile: [`${PROFILES}.${patient}${KINDS[event.act]!.profile}`] } };
}

/**
 * One entry as FHIR R4 AuditEvent (IHE BALP 1.1.5): one for each patient, as the log has it. Carries the leaf's exact bytes, so
 * that what it says can be held against what is proved.
 */
export function auditEventOf(entry: Entry, base: string): Json {
  const { e: event, i } = leafOf(entry);
  const extension = (name: string, value: Json) => ({ url: `${base}/fhir/StructureDefinition/${name}`, ...value });
  return {
    resourceType: 'AuditEvent',
    id: event.id,
    ...profileOf(event),
    extension: [
      extension('audit-leaf-index', { valueString: String(i) }),
      extension('audit-leaf', { valueBase64Binary: Buffer.from(entry.line).toString('base64') }),
    ],
    ...types(event, base),
    action: event.act,
    recorded: event.t,
    outcome: String(event.out),
    ...(event.err === undefined ? {} : { outcomeDesc: event.err }),
    agent: agents(entry, event, base),
    source: {
      observer: { identifier: { system: 'urn:ietf:rfc:3986', value: base } },
      type: [coding(`${TERMINOLOGY}/security-source-type`, '4')],
    },
    entity: entities(event, base),
  };
}
