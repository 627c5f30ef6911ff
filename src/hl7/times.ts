import { instantOf } from '../fhir/index.js';

/** https://www.hl7.eu/HL7v2x/v251/std251/ch02.html: YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ] */
const TIME = /^(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(\.\d{1,9})?)?)?)?)?)?([+-]\d{4})?$/;
const CLOCK = /^([01]\d|2[0-3])(?:([0-5]\d)(?:([0-5]\d)(\.\d{1,9})?)?)?$/;

/** How a sender tells the time where it names no zone: that of MSH-7, else an IANA zone. */
export interface SenderZone {
  offset?: string;
  timeZone: string;
}

const withColon = (offset: string): string => `${offset.slice(0, 3)}:${offset.slice(3)}`;

/**
 * FHIR dateTime, as exact as it was sent; undefined for what is no time. R4 wants seconds and a zone beside an hour: seconds are
 * filled with zeros (https://hl7.org/fhir/R4/datatypes.html#dateTime), the zone is the sender's.
 */
export function dateTimeOf(text: string, zone: SenderZone): string | undefined {
  const parts = TIME.exec(text.trim());
  if (!parts) return undefined;
  const [, year, month, day, hour, minute = '00', second = '00', fraction = '', offset] = parts;
  const date = [year, month, day].filter((part) => part !== undefined).join('-');
  if (hour === undefined) return instantOf(date) === undefined ? undefined : date;
  const local = `${date}T${hour}:${minute}:${second}${fraction}`;
  if (instantOf(`${local}Z`) === undefined) return undefined;
  const zoned = offset ?? zone.offset;
  const whole = `${local}${zoned === undefined ? offsetIn(zone.timeZone, local) : withColon(zoned)}`;
  return instantOf(whole) === undefined ? undefined : whole;
}

/** The same as an instant; a date stands for its start. */
export function momentOf(text: string, zone: SenderZone): string | undefined {
  const found = dateTimeOf(text, zone);
  if (found === undefined || found.includes('T')) return found;
  const [year, month = '01', day = '01'] = found.split('-');
  return dateTimeOf(`${year}${month}${day}00`, zone);
}

/** The zone that is written behind a time, as HL7 writes it. */
export const offsetOf = (text: string): string | undefined => TIME.exec(text.trim())?.[8];

/** FHIR time; undefined for what has a zone or is none. */
export function timeOf(text: string): string | undefined {
  const [found, hour, minute = '00', second = '00', fraction = ''] = CLOCK.exec(text.trim()) ?? [];
  return found === undefined ? undefined : `${hour}:${minute}:${second}${fraction}`;
}

/** `+02:00`: what a clock on the wall there is ahead of UTC by. Twice, because the first guess may be on the other side of a change. */
function offsetIn(timeZone: string, local: string): string {
  const wall = Date.parse(`${local}Z`);
  const guess = offsetAt(timeZone, wall);
  return offsetAt(timeZone, wall - (Date.parse('1970-01-01T00:00:00Z') - Date.parse(`1970-01-01T00:00:00${guess}`)));
}

function offsetAt(timeZone: string, instant: number): string {
  const parts = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' }).formatToParts(instant);
  const name = parts.find(({ type }) => type === 'timeZoneName')?.value ?? 'GMT';
  // Before zones were agreed on, places had seconds of their own; R4 has none.
  return /^GMT([+-]\d\d:\d\d)/.exec(name)?.[1] ?? '+00:00';
}
