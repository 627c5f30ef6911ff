import type { BundleReport } from './bundle.js';
import { sentence } from './findings.js';
import type { DatabaseReport } from './online.js';

const number = new Intl.NumberFormat('en');

/** What an officer reads: the verdict first, then what it rests on. */
export function bundleReportLines(report: BundleReport): string[] {
  const { verdict, findings, origin, size, root, witnessed, count, first, last, complete, disclosures } = report;
  const lines = [verdict === 'verified' ? 'VERIFIED' : 'REFUSED', ...findings.map((found) => `  ${sentence(found)}`)];
  if (size !== null) lines.push(`log: ${origin}, ${number.format(size)} entries, root ${root}`);
  if (verdict === 'refused') return lines;
  for (const { name, time } of witnessed) lines.push(`witnessed: ${name} at ${time}`);
  if (count > 0)
    lines.push(`events: ${number.format(count)}, leaf ${number.format(first!)} to ${number.format(last!)}`);
  for (const { subject, from, to } of complete) lines.push(`complete: patient ${subject}, events ${from} to ${to}`);
  if (disclosures > 0) lines.push(`disclosures: ${number.format(disclosures)}`);
  return lines;
}

export function logReportLines({ verdict, findings, from, size, root, sealedSize, archive }: DatabaseReport): string[] {
  const lines = [verdict === 'verified' ? 'VERIFIED' : 'REFUSED', ...findings.map((found) => `  ${sentence(found)}`)];
  lines.push(
    `entries: ${number.format(from)} to ${number.format(size)}, signed up to ${number.format(sealedSize ?? 0)}`,
  );
  if (archive && archive.blocks > 0)
    lines.push(
      `archive: ${number.format(archive.blocks)} blocks, ${number.format(archive.entries)} entries, read from their files`,
    );
  if (root) lines.push(`root: ${root.toString('base64')}`);
  return lines;
}
