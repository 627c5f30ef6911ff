import type { VersionRow } from './history.repository.js';
import { isoOf } from './record-line.js';

const AGENTS = 'http://terminology.hl7.org/CodeSystem/provenance-participant-type';

/**
 * Where one version came from, as FHIR says it (https://hl7.org/fhir/R4/provenance.html; US Core asks for author or
 * transmitter): from which source, when, in which import, line and message, or by whose hand in the portal.
 */
export function provenanceOf(row: VersionRow): object {
  const { record_id: id, type, version } = row;
  return {
    resourceType: 'Provenance',
    id: `${id}-v${version}`,
    target: [{ reference: `${type}/${id}/_history/${version}` }],
    ...(row.source_updated_at === null ? {} : { occurredDateTime: isoOf(row.source_updated_at) }),
    recorded: isoOf(row.received_at),
    activity: activityOf(row),
    agent: [agentOf(row)],
    ...(row.import_id === null ? {} : { entity: entitiesOf(row, row.import_id) }),
  };
}

function activityOf({ is_deleted, version }: VersionRow): object {
  const code = is_deleted ? 'DELETE' : version === 1 ? 'CREATE' : 'UPDATE';
  return { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-DataOperation', code }] };
}

function agentOf({ origin, source, written_by }: VersionRow): object {
  const role = origin === 'feed' ? 'transmitter' : 'author';
  const who =
    origin === 'feed'
      ? { identifier: { system: 'urn:ietf:rfc:3986', value: source } }
      : { identifier: { system: 'urn:portico:account', value: written_by } };
  return { type: { coding: [{ system: AGENTS, code: role }] }, who };
}

function entitiesOf({ import_line, message_id }: VersionRow, importId: string): object[] {
  const of = (system: string, value: string, display?: string): object => ({
    role: 'source',
    what: { identifier: { system, value }, ...(display === undefined ? {} : { display }) },
  });
  const place = import_line === null ? undefined : `Line ${import_line}`;
  return [
    of('urn:portico:import', importId, place),
    ...(message_id === null ? [] : [of('urn:portico:message', message_id)]),
  ];
}
