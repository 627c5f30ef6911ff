const DATE_TIME =
  /^(\d{4})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12]\d|3[01])(?:T([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d|60)(\.\d+)?)?(Z|[+-](?:0\d|1[0-4]):[0-5]\d)?)?)?)?$/;

/** False for 30 February and the like; a partial date has no day to be wrong. Only for text of a FHIR date's form. */
export function isCalendarDate(text: string): boolean {
  const [year, month, day] = text.slice(0, 10).split('-').map(Number);
  if (year === undefined || year === 0) return false;
  if (month === undefined || day === undefined) return true;
  return day <= daysInMonth(year, month);
}

/**
 * The instant to order by, as an ISO string in UTC: a partial date stands for its start, a missing zone for UTC.
 * Undefined when there is no such date. https://hl7.org/fhir/R4/datatypes.html#dateTime
 */
export function instantOf(text: string): string | undefined {
  const parts = DATE_TIME.exec(text);
  if (!parts || !isCalendarDate(text)) return undefined;
  const [, year, month = '01', day = '01', hour = '00', minute = '00', second = '00', fraction = '', zone = 'Z'] =
    parts;
  // a leap second is legal in FHIR and unknown to Date
  const clock = `${hour}:${minute}:${second === '60' ? '59' : second}${fraction.slice(0, 4)}`;
  const milliseconds = Date.parse(`${year}-${month}-${day}T${clock}${zone}`);
  return isStorable(milliseconds) ? new Date(milliseconds).toISOString() : undefined;
}

/** The same to the microsecond, for telling a sender's versions apart: FHIR servers write six or seven decimals. */
export function exactInstantOf(text: string): string | undefined {
  const instant = instantOf(text);
  const micros = (DATE_TIME.exec(text)?.[7] ?? '').slice(4, 7).padEnd(3, '0');
  return instant === undefined || micros === '000' ? instant : `${instant.slice(0, -1)}${micros}Z`;
}

// A zone can move 0001-01-01 or 9999-12-31 out of the years that ISO text writes with four digits.
function isStorable(milliseconds: number): boolean {
  return milliseconds >= Date.parse('0001-01-01T00:00:00Z') && milliseconds <= Date.parse('9999-12-31T23:59:59.999Z');
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}
