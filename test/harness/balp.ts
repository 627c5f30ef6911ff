/**
 * The rules of IHE BALP 1.1.5's RESTful profiles (IHE/ITI.BasicAudit, input/fsh), transcribed by hand from its FSH: what the
 * profile that an AuditEvent names asks beyond base R4. Shares nothing with the server.
 */
interface Coding {
  system?: string;
  code?: string;
}
interface Agent {
  type?: { coding?: Coding[] };
  who?: object;
  requestor?: boolean;
  network?: object;
  media?: object;
}
interface Entity {
  what?: { reference?: string; identifier?: { value?: string } };
  type?: Coding;
  role?: Coding;
  query?: string;
  detail?: object;
}
export interface AuditEvent {
  id: string;
  meta?: { profile?: string[] };
  extension: { url: string; valueString?: string; valueBase64Binary?: string }[];
  type: Coding;
  subtype?: Coding[];
  action?: string;
  recorded?: string;
  outcome?: string;
  outcomeDesc?: string;
  agent: Agent[];
  source?: { observer?: object };
  entity?: Entity[];
}

const BASE = 'https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.';
const DCM = 'http://dicom.nema.org/resources/ontology/DCM';
const PARTICIPATION = 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType';
const CUSTODIAN = 'http://terminology.hl7.org/CodeSystem/provenance-participant-type';
const ENTITY = 'http://terminology.hl7.org/CodeSystem/audit-entity-type';
const ROLE = 'http://terminology.hl7.org/CodeSystem/object-role';
const XREQUEST = 'https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType';

const AUTHORS = ['AUT', 'INF', 'CST'];
const RULES: Record<string, { action: string; subtypes: string[]; client: string; server: string[]; user: string[] }> =
  {
    Read: { action: 'R', subtypes: ['read', 'vread'], client: '110152', server: [DCM, '110153'], user: ['IRCP'] },
    Query: {
      action: 'E',
      subtypes: ['search', 'search-type', 'search-system'],
      client: '110153',
      server: [DCM, '110152'],
      user: ['IRCP'],
    },
    Create: { action: 'C', subtypes: ['create'], client: '110153', server: [DCM, '110152'], user: AUTHORS },
    Update: { action: 'U', subtypes: ['update', 'patch'], client: '110153', server: [DCM, '110152'], user: AUTHORS },
    Delete: { action: 'D', subtypes: ['delete'], client: '110150', server: [CUSTODIAN, 'custodian'], user: AUTHORS },
  };

const typed = (agent: Agent, system: string, codes: readonly string[]): boolean =>
  (agent.type?.coding ?? []).some((one) => one.system === system && codes.includes(one.code ?? ''));
const is = (coding: Coding | undefined, system: string, code: string): boolean =>
  coding?.system === system && coding.code === code;

/** What is against R4's minimum and what BALP has of every event, also of failures, which name no profile. */
export function againstMinimum(event: AuditEvent): string[] {
  const faults: string[] = [];
  const need = (holds: unknown, fault: string) => void (holds || faults.push(fault));
  need(event.type?.system && event.type.code, 'type');
  need(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(event.recorded ?? ''), 'recorded');
  need(/^[CRUDE]$/.test(event.action ?? ''), 'action');
  need(/^(0|4|8|12)$/.test(event.outcome ?? ''), 'outcome');
  need(event.outcome === '0' || event.outcomeDesc, 'why it failed');
  need(event.outcome === '0' || event.meta?.profile === undefined, 'profiles are of successes');
  need(event.agent.length > 0 && event.agent.every(({ requestor }) => typeof requestor === 'boolean'), 'agents');
  need(
    event.agent.every(({ who }) => who),
    'who',
  );
  need(event.agent.filter(({ requestor }) => requestor).length <= 1, 'one who asks');
  need(event.source?.observer, 'source');
  need(
    (event.entity ?? []).every(({ what, query }) => what ?? query),
    'entities',
  );
  return faults;
}

/** What is against the profile that the event names; empty where it names none, which its caller has to expect. */
export function againstBalp(event: AuditEvent): string[] {
  const faults: string[] = [];
  const need = (holds: boolean, fault: string) => void (holds || faults.push(fault));
  const [profile, ...others] = event.meta?.profile ?? [];
  if (profile === undefined) return [];
  need(others.length === 0 && profile.startsWith(BASE), 'one BALP profile');
  const [, ofPatient, kind] = /^(Patient)?(\w+)$/.exec(profile.slice(BASE.length)) ?? [];
  const rule = RULES[kind ?? ''];
  if (!rule) return ['an unknown profile'];
  need(is(event.type, 'http://terminology.hl7.org/CodeSystem/audit-event-type', 'rest'), 'type rest');
  const interactions = (event.subtype ?? []).filter(
    ({ system }) => system === 'http://hl7.org/fhir/restful-interaction',
  );
  need(interactions.length === 1 && rule.subtypes.includes(interactions[0]!.code ?? ''), 'subtype');
  need(kind !== 'Delete' || event.subtype?.length === 1, 'one subtype of a delete');
  need(event.action === rule.action, 'action');
  need(event.recorded !== undefined, 'recorded');
  need(event.outcome === '0', 'outcome of a success');
  const [serverSystem, serverCode] = rule.server as [string, string];
  const clients = event.agent.filter((agent) => typed(agent, DCM, [rule.client]));
  const servers = event.agent.filter((agent) => typed(agent, serverSystem, [serverCode]));
  const users = event.agent.filter((agent) => typed(agent, PARTICIPATION, rule.user));
  need(clients.length === 1 && servers.length === 1 && users.length <= 1, 'one client, one server, one user at most');
  need(
    [...clients, ...servers].every(({ who, network, media }) => who && network && !media),
    'who and network',
  );
  need(
    users.every(({ who, network, media, requestor }) => who && requestor === true && !network && !media),
    'the user asks, and is no device',
  );
  const entities = event.entity ?? [];
  const data = entities.filter(({ type }) => is(type, ENTITY, '2'));
  const patients = entities.filter(({ type }) => is(type, ENTITY, '1'));
  const requests = entities.filter(({ type }) => is(type, XREQUEST, 'XrequestId'));
  need(requests.length <= 1 && requests.every(({ what }) => what?.identifier?.value), 'request id');
  need(data.length === 1, 'one data object or query');
  if (kind === 'Query')
    need(
      data.every(({ role, query, what, detail }) => is(role, ROLE, '24') && query && !what && !detail),
      'query',
    );
  else
    need(
      data.every(({ role, what }) => role?.system === ROLE && /^(3|4|20)$/.test(role.code ?? '') && what),
      'data',
    );
  const isPatient = ({ what, role }: Entity) => /^Patient\//.test(what?.reference ?? '') && is(role, ROLE, '1');
  need(ofPatient ? patients.length === 1 && patients.every(isPatient) : patients.length === 0, 'patient');
  return faults;
}
