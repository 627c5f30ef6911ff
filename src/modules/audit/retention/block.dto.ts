import { Instant, OneOf, Text, Uuids, Whole } from '../../../platform/http/fields.js';

export const BLOCK_STATES = ['hot', 'archived', 'deleted'] as const;

export class BlockView {
  @Whole({ description: 'Number of the block, from 0.' })
  block: number;

  @Whole({ description: 'Place of its first event.' })
  firstSeq: number;

  @Whole({ description: 'Place of its last event so far.' })
  lastSeq: number;

  @Instant({ nullable: true, description: 'Time of its earliest event.' })
  from: string | null;

  @Instant({ nullable: true, description: 'Time of its latest event.' })
  to: string | null;

  @OneOf(BLOCK_STATES, {
    description:
      '`hot`: in the database. `archived`: in files. `deleted`: at the end of its retention; its place in the tree stays proved.',
  })
  state: (typeof BLOCK_STATES)[number];

  @Text({ nullable: true, description: "SHA-256 (hexadecimal) of its files' SHA256SUMS; null while it is hot." })
  digest: string | null;

  @Whole({ description: 'Size in the database with its indexes, or of its files (bytes).' })
  bytes: number;

  @Instant({ nullable: true, description: 'When it left the database.' })
  archivedAt: string | null;

  @Instant({ nullable: true, description: 'When it was deleted.' })
  deletedAt: string | null;

  @Uuids({ many: 1000, description: 'Legal holds in force over it.' })
  holds: string[];
}
