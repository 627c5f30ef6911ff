import { ArrayMinSize, IsObject } from 'class-validator';
import ipaddr from 'ipaddr.js';
import { Nested, Text, Texts } from '../http/fields.js';
import { Meaningless, readSettingsFile } from './settings-file.js';

const LOOPBACK: readonly string[] = ['127.0.0.0/8', '::1/128'];
const PROCESSING: readonly string[] = ['P'];

/** Who may send under a feed's name, as MSH says it. */
class SenderEntry {
  @Text({ optional: true, max: 200, description: 'MSH-3.1; any where it is not said.' })
  application?: string;

  @Text({ min: 0, max: 200, description: 'MSH-4.1; empty for senders that leave it empty.' })
  facility: string;
}

/** One entry of HL7_FEEDS_FILE, as the operator writes it. */
class FeedEntry {
  @Text({ max: 2000, description: 'The feed: the `source` of its service account (a URI).' })
  source: string;

  @Nested(() => SenderEntry, { many: 100, description: 'Senders; from anybody else no message is taken.' })
  @ArrayMinSize(1)
  senders: SenderEntry[];

  @Texts({
    optional: true,
    many: 50,
    max: 50,
    description: 'Networks (CIDR) from which it may connect by MLLP; this machine alone by default.',
  })
  networks?: string[];

  @Texts({
    optional: true,
    many: 20,
    max: 64,
    description: 'SHA-256 of its client certificates (hex); by MLLP it must then show one of them.',
  })
  certificates?: string[];

  @IsObject()
  systems: Record<string, unknown> = {};

  @Texts({ optional: true, many: 3, max: 1, description: 'MSH-11 that are taken: P (production) by default.' })
  processingIds?: string[];

  @Text({ optional: true, max: 60, description: 'IANA zone of times that name none; UTC by default.' })
  timeZone?: string;

  @Text({
    optional: true,
    max: 30,
    description: 'Character set (table 0211) of messages without MSH-18; ASCII by default, as the standard has it.',
  })
  charset?: string;
}

/** A feed that sends HL7 v2. */
export interface Hl7Feed {
  readonly source: string;
  readonly senders: readonly { readonly application?: string; readonly facility: string }[];
  readonly networks: readonly string[];
  /** SHA-256 of its client certificates; empty: none is asked for. */
  readonly certificates: readonly string[];
  /** Assigning authorities and code systems of the sender → URIs; '' for numbers without an authority. */
  readonly systems: Readonly<Record<string, string>>;
  readonly processingIds: readonly string[];
  readonly timeZone: string;
  readonly charset: string;
}

/** Reads and checks the file of HL7 feeds; adds what is wrong with it to `problems`. */
export function readHl7Feeds(path: string, problems: string[]): Hl7Feed[] {
  const entries = { setting: 'HL7_FEEDS_FILE', noun: 'feed', entry: FeedEntry, read: feedOf };
  const feeds = readSettingsFile(path, entries, problems);
  const sources = feeds.map(({ source }) => source);
  if (new Set(sources).size !== sources.length) problems.push('HL7_FEEDS_FILE: two feeds have the same source');
  return feeds;
}

/** What is well-formed and means nothing. */
function* meaningless({
  networks = [],
  certificates = [],
  processingIds = [],
  timeZone,
  systems,
}: FeedEntry): Generator<string> {
  if (!certificates.every((one) => /^[0-9a-f]{64}$/.test(one)))
    yield 'certificates: must be SHA-256 in 64 hexadecimal digits, lower case';
  if (!processingIds.every((id) => ['P', 'T', 'D'].includes(id))) yield 'processingIds: P, T or D';
  for (const network of networks) if (!ipaddr.isValidCIDR(network)) yield `networks: ${network} is no CIDR`;
  if (timeZone !== undefined && !Intl.supportedValuesOf('timeZone').includes(timeZone) && timeZone !== 'UTC')
    yield `timeZone: ${timeZone} is no zone of the IANA database`;
  for (const [name, uri] of Object.entries(systems))
    if (typeof uri !== 'string' || !URL.canParse(uri))
      yield `systems: what ${name === '' ? 'the empty name' : name} stands for is no URI`;
}

function feedOf(entry: FeedEntry): Hl7Feed {
  const faults = [...meaningless(entry)];
  if (faults.length > 0) throw new Meaningless(faults);
  return {
    source: entry.source,
    senders: entry.senders.map(({ application, facility }) => ({ application, facility })),
    networks: entry.networks ?? LOOPBACK,
    certificates: entry.certificates ?? [],
    systems: entry.systems as Record<string, string>,
    processingIds: entry.processingIds ?? PROCESSING,
    timeZone: entry.timeZone ?? 'UTC',
    charset: entry.charset ?? 'ASCII',
  };
}
