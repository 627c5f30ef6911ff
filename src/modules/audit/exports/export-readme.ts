import { planOf } from './export-plan.js';
import type { FixedExport } from './export.repository.js';

const HOLDS = {
  log: 'the whole log up to and including the event of this export, which is its last line',
  range: 'a range of the log without a gap',
  events: 'chosen events of the log; the last line is the event of this export itself',
};

const SHOWN = {
  log: `Whole log: the root of the Merkle tree over all lines (RFC 6962) is the third line of the file checkpoint.`,
  range: `Range: tile/ holds the hash tiles (C2SP tlog-tiles) above the lines, which lead to the root in the file checkpoint.`,
  events: `Chosen events: proofs.ndjson has one inclusion proof (RFC 6962 section 2.1.1) a line, in the order of events.ndjson.`,
};

/** What a stranger needs to know to verify the files, and what is not in them. */
export function readmeOf(row: FixedExport): string {
  const { kind } = planOf(row.filter, row.ownIdx, row.treeSize);
  const previous =
    row.previousSize === null
      ? 'There is no earlier checkpoint to compare with: this one is the first.'
      : `checkpoint.previous is an earlier checkpoint (${row.previousSize} entries); consistency.json shows that the log has only grown since.`;
  const values = row.isDisclosing
    ? `disclosures.ndjson opens them (RFC 9901), as far as they were not erased; what is missing there was erased. The proofs do not depend on it.`
    : `This export was asked for without them. In events.fhir.ndjson such an address is marked as masked.`;
  return `Export of the audit trail ${row.id}
asked for ${row.createdAt.toISOString()}; who, why and what exactly: manifest.json

It holds ${HOLDS[kind]}.
The log had ${row.treeSize} entries when it was signed for this export.

VERIFY
The verifier key of the log is NOT in here: who changes these files could change it too. Take it from where you
have it from before, or ask the hospital for it by another road (telephone, a signed letter, an earlier visit).
It looks like  portal.example/audit+9c3973b9+AQOh...

With the portal's own program, which needs neither the portal nor its database:
  npm run cli -- audit:verify <this file or folder> --key '<verifier key>'

With a program that shares no code with the portal (Python, its standard library alone; in the portal's source):
  python3 test/resilience/verifier/verify.py <this file or folder> --key '<verifier key>'

By hand: a leaf is the exact bytes of one line without its newline; its hash is SHA-256 over a zero byte and these bytes.
  head -n 1 events.ndjson | tr -d '\\n' | (printf '\\0'; cat) | openssl dgst -sha256 -binary | base64
  sha256sum events.ndjson      (compare with files in manifest.json)
${SHOWN[kind]}
The signature in the file checkpoint (C2SP signed-note): base64 behind the name, without the first 4 bytes, is Ed25519
over the first three lines with their newlines. The key's base64, without its first byte, is the public key:
  head -n 3 checkpoint > body
  grep '^— ' checkpoint | head -n 1 | cut -d ' ' -f 3 | base64 -d | tail -c 64 > sig
  (printf '\\060\\052\\060\\005\\006\\003\\053\\145\\160\\003\\041\\000'; printf '%s' '<base64 of the key>' | base64 -d | tail -c 32) > key.der
  openssl pkeyutl -verify -pubin -inkey key.der -keyform DER -rawin -in body -sigfile sig
${previous}
export.tlog-proof (C2SP tlog-proof) shows the event of this export by itself.

WHAT THE FILES ARE
  events.ndjson        the lines of the log, byte for byte: the evidence
  events.csv           the same as a table; headers are JSON pointers into the leaf, the last column is the leaf. A cell that
                       a spreadsheet would run as a formula has a ' before it
  events.fhir.ndjson   the same as FHIR R4 AuditEvent (IHE BALP), with the leaf in the extension audit-leaf. An event of BALP
                       Query has method and route in place of the raw request, which is never recorded
  (what was not asked for is not there)

COMPLETE FOR A PATIENT
Each line of a patient has a counter, /n. If only patients narrow the export (see patients in manifest.json), it runs
without a gap up to the event of this export: then nothing of that patient was left out.

WHAT IS MISSING
Network address and user agent are in the log only as salted digests, so that they can be erased. ${values}
`;
}
