import { rewriteAttachments, type FoundAttachment } from '../../fhir/index.js';
import { sealContent, type SealedChunk } from '../../platform/content/index.js';
import type { DataKey } from '../../platform/crypto/index.js';
import { newId } from '../../platform/ids.js';
import { ContentFacts, judge, type AttachmentFinding } from './attachment-check.js';
import { pathOf, sealHead, type AttachmentHead, type AttachmentKey } from './attachment-head.js';
import { MAX_ENTRY_BYTES } from './import-limits.js';
import type { SpilledContent, Spills } from './attachment-spills.js';

/** A row of an attachment with the chunks of its content that are not stored yet. */
export interface TakenAttachment extends AttachmentKey {
  /** `Binary/<the sender's id>`: the record that its content comes with. */
  wants: string | null;
  contentId: string | null;
  literalId: string | null;
  head: string;
  chunks: SealedChunk[];
}

export interface Taken {
  /** The record's text, in which the address here stands for each content that was taken out. */
  text: string;
  attachments: TakenAttachment[];
  /** What to tell the sender, by place in the record. */
  warnings: { ordinal: number; finding: AttachmentFinding }[];
}

interface Version {
  recordId: string;
  version: number;
  text: string;
  key: DataKey;
  /** How the sender names what an address in it means: `Type/id`; undefined: nothing of its own. */
  canonical: (url: string) => string | undefined;
}

interface Part {
  at: AttachmentKey;
  found: FoundAttachment;
  shown: string | null;
  wants: string | null;
}

const member = (name: string, value: string): string => `"${name}":${JSON.stringify(value)}`;

/** Binary has no `url`, and an attachment that has one keeps it: there the element of `data` itself says where (R4 extensibility). */
const shownFor = ({ isBinary, url, data }: FoundAttachment, id: string): string =>
  data && (isBinary || url !== undefined)
    ? `"_data":{"extension":[{"url":"urn:portico:attachment",${member('valueUrl', pathOf(id))}}]}`
    : member('url', pathOf(id));

/** A text without its attachments. */
export const restOf = (text: string): string =>
  rewriteAttachments(text, ({ data }) => (data ? '"data":""' : undefined));

/** Takes the contents of attachments out of a record's text: checks them and seals them in chunks, each under a key of its own. */
export class AttachmentTaker {
  constructor(
    private readonly maxBytes: number,
    private readonly spills: Spills,
  ) {}

  async take({ recordId, version, text, key, canonical }: Version): Promise<Taken> {
    const parts: Part[] = [];
    const shownText = rewriteAttachments(text, (found) => {
      const at = { id: newId(), recordId, version, ordinal: parts.length };
      const named = found.data || found.url === undefined ? undefined : canonical(found.url);
      const wants = named?.startsWith('Binary/') ? named : null;
      const shown = found.data || wants !== null ? shownFor(found, at.id) : null;
      parts.push({ at, found, shown, wants });
      return shown ?? undefined;
    });
    const taken: Taken = { text: await this.withRest(shownText), attachments: [], warnings: [] };
    for (const part of parts) {
      const { head, chunks } = await this.headOf(part);
      taken.attachments.push({
        ...part.at,
        wants: part.wants,
        contentId: head.content?.id ?? null,
        literalId: head.literal?.id ?? null,
        head: sealHead(key, part.at, head),
        chunks,
      });
      for (const finding of head.findings) taken.warnings.push({ ordinal: part.at.ordinal, finding });
    }
    return taken;
  }

  /** What is no attachment stays where it is. That there is room for it was asked before: {@link restOf}. */
  private async withRest(text: string): Promise<string> {
    const whole = await this.spills.restored(text, MAX_ENTRY_BYTES);
    if (whole === null) throw new Error('a record that is too large was not refused');
    return whole;
  }

  private async headOf({ found, shown, wants }: Part): Promise<{ head: AttachmentHead; chunks: SealedChunk[] }> {
    const { title, language, creation, contentType, size, hash, url, data, member: sent } = found;
    const head: AttachmentHead = {
      ...{ title, language, creation, contentType, size, hash, shown, sent, isData: data !== undefined },
      ...(url === undefined || wants !== null ? {} : { address: url }),
      ...{ found: null, type: null, findings: [], content: null, literal: null },
    };
    if (!data) return { head, chunks: [] };
    const spilled = this.spills.of(data);
    const content = spilled ?? (await this.inMemory(data));
    if (content.isTooLarge) return { head: { ...head, findings: ['attachment-too-large'] }, chunks: [] };
    const { type, findings } = judge(content.found, { contentType, size, hash });
    const { found: facts, content: opened, literal } = content;
    return { head: { ...head, found: facts, type, findings, content: opened, literal }, chunks: content.chunks };
  }

  private async inMemory(data: Buffer): Promise<SpilledContent> {
    // The inspection has found it to be base64; white space in it is legal.
    const text = data.includes(0x5c) ? (JSON.parse(`"${data.toString('utf8')}"`) as string) : data.toString('latin1');
    const bytes = Buffer.from(text, 'base64');
    if (bytes.length > this.maxBytes) return { isTooLarge: true };
    const facts = new ContentFacts();
    facts.add(bytes);
    const { content, chunks } = sealContent(bytes);
    const isPlain = data.length === text.length && bytes.toString('base64') === text;
    const literal = isPlain ? null : sealContent(data);
    return {
      isTooLarge: false,
      found: await facts.found(),
      content,
      literal: literal?.content ?? null,
      chunks: [...chunks, ...(literal?.chunks ?? [])],
    };
  }
}
