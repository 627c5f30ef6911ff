import parsePhoneNumber from 'libphonenumber-js/max';

/** Messages to these reach one person's device; a fixed line, a paging or a premium number is none of theirs. */
const MOBILE = ['MOBILE', 'FIXED_LINE_OR_MOBILE'];

/** The number in E.164, or null when it is not that of a mobile phone, with its country code. */
export function mobileNumberOf(typed: string): string | null {
  const number = parsePhoneNumber(typed.trim(), { extract: false });
  return number?.isValid() && !number.ext && MOBILE.includes(number.getType() ?? '') ? number.number : null;
}

/** What its owner knows it by, and nobody else learns anything from. */
export const maskedNumber = (number: string): string => `•••• ${number.slice(-2)}`;
