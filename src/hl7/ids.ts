import { v5 } from 'uuid';

/** Never to be changed: what was sent again would be another record. */
const NAMESPACE = '6f1c0f0e-7d0a-5c39-9f0b-2a7f1f5be8a4';
const SEPARATOR = '\u001f';

/**
 * The id under which a record of a message is known within its feed: of its type and of what its sender tells it apart by. Those
 * texts themselves are no ids of FHIR. SHA-1 (RFC 9562, 5.5) names and protects nothing.
 */
export const sourceIdOf = (type: string, ...parts: readonly string[]): string =>
  v5([type, ...parts].join(SEPARATOR), NAMESPACE);
