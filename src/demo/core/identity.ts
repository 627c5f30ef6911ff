import { createHash } from 'node:crypto';

/** Everything the feed numbers lives under this address; identity is source + type + id. */
export const SOURCE = 'https://ehr.example.org/fhir';
export const MRN_SYSTEM = 'https://hospital.example.org/mrn';
export const NPI_SYSTEM = 'http://hl7.org/fhir/sid/us-npi';
export const ORGANIZATION_SYSTEM = 'https://hospital.example.org/organization';
export const LOCATION_SYSTEM = 'https://hospital.example.org/location';
export const MEMBER_SYSTEM = 'https://payer.example.org/member';

/** The same resource has the same `urn:uuid` in every run: name-based, the version 5 layout of RFC 9562. */
export function fullUrlOf(type: string, id: string): string {
  const bytes = createHash('sha1').update(`${SOURCE}/${type}/${id}`).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x50;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return `urn:uuid:${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/**
 * Ten digits with a right check digit (Luhn over 80840 + number), starting with 9: issued NPIs start with 1 or 2, so
 * this can be nobody's.
 */
export function fictitiousNpi(serial: number): string {
  const body = `9${String(serial).padStart(8, '0')}`;
  return body + luhnDigit(`80840${body}`);
}

function luhnDigit(digits: string): string {
  let sum = 0;
  [...digits].reverse().forEach((digit, index) => {
    const doubled = Number(digit) * (index % 2 === 0 ? 2 : 1);
    sum += doubled > 9 ? doubled - 9 : doubled;
  });
  return String((10 - (sum % 10)) % 10);
}
