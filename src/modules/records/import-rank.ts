import { isSharedType } from '../../fhir/index.js';

const HEAD_BYTES = 64 * 1024;
const TYPE = /"resourceType"\s*:\s*"([A-Za-z]{1,64})"/;

/** The type that a file of an export holds, as its first line says it; a guess that only the order of work hangs on. */
export class FirstLine {
  private head = '';

  get type(): string {
    return TYPE.exec(this.head)?.[1] ?? '';
  }

  async drain(chunks: AsyncIterable<Uint8Array>): Promise<'ndjson'> {
    for await (const chunk of chunks)
      if (this.head.length < HEAD_BYTES) this.head += Buffer.from(chunk).toString('latin1', 0, HEAD_BYTES);
    return 'ndjson';
  }
}

/** What others refer to comes first, so that little has to wait for it; deletions come last, because they are of the state at the end. */
export function rankOf(type: string): number {
  if (type === 'Patient') return 0;
  if (isSharedType(type)) return 1;
  if (type === 'Encounter') return 2;
  return type === 'Bundle' ? 9 : 5;
}
