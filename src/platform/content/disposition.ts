const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069"\\/:*?<>|]+/g;
const MAX_NAME = 120;

/**
 * Content-Disposition of something that is saved, never shown (RFC 6266; extended form of RFC 8187). No path, no control character and no
 * change of direction that would hide the real ending; names that are not ASCII have a plain form beside them.
 */
export function attachmentDisposition(title: string, extension: string): string {
  const words = title
    .normalize('NFC')
    .toWellFormed()
    .replace(UNSAFE, ' ')
    .replace(/^[.\s]+/, '')
    .trim();
  const stem = [...words].slice(0, MAX_NAME).join('').trim() || 'attachment';
  const name = stem.toLowerCase().endsWith(`.${extension}`) ? stem : `${stem}.${extension}`;
  const plain = name.replace(/[^\x20-\x7e]/g, '_').replace(/[%']/g, '_');
  if (plain === name) return `attachment; filename="${name}"`;
  const extended = encodeURIComponent(name).replace(
    /['()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${extended}`;
}
