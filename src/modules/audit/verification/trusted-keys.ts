/** A name of this log: the configured one, or a later one after a reviewed restore (`…/audit/2`). */
export function isNameOf(origin: string, configured: string): boolean {
  return (
    origin === configured ||
    (origin.startsWith(`${configured}/`) && /^[1-9]\d*$/.test(origin.slice(configured.length + 1)))
  );
}
