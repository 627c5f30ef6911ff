import type { KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Ctx } from '../../platform/access/context.js';
import { hmac, KeyRing, type Place } from '../../platform/crypto/index.js';
import { Vault } from '../../platform/database/vault.js';
import { newId } from '../../platform/ids.js';
import { namesIn, type Broken, type Candidate, type Identified, type Names } from './import-candidates.js';
import type { Delivery, ImportCtx } from './import-job.js';

const MAC_HEAD = 'portico/quarantine/1\0';

/** Under one key a feed: whose data it is cannot be known of a record that is no good. */
const scopeOf = (source: string): string => `quarantine:${source}`;
export const quarantinePlace = (id: string, column: 'resource' | 'corrected'): Place => ({
  table: 'quarantine',
  row: id,
  column,
});

/** What a whole HL7 v2 message is called on the work list, in the place of a type: no type of FHIR has this name. */
export const MESSAGE = 'Hl7Message';

/** A record of the work list as a second try needs it. */
export interface Quarantined {
  id: string;
  /** FHIR type, or {@link MESSAGE}. */
  type: string;
  line: number;
  text: string;
  /** What the fullUrls in it stood for. */
  names: Names;
  isCorrected: boolean;
}

/** Quarantine as imports see it: they put in, and take out what has become good. */
@Injectable()
export class QuarantineStore {
  private readonly macKeys: readonly KeyObject[];

  constructor(
    private readonly vault: Vault,
    ring: KeyRing,
  ) {
    this.macKeys = ring.subkeys('records/quarantine');
  }

  /** What was sent before, and lies here or was discarded, is no second piece of work. */
  async put(ctx: ImportCtx, delivery: Delivery, broken: readonly Broken[], named: Identified['named']): Promise<void> {
    if (broken.length === 0) return;
    for (const one of broken) {
      const macs = this.macKeys.map((key) => hmac(key, MAC_HEAD, one.text));
      const known = await ctx.db.query(
        'SELECT 1 FROM records.quarantine WHERE source = $1 AND content_mac = ANY($2::bytea[])',
        [delivery.source, macs],
      );
      if (known.length > 0) continue;
      const id = newId();
      await ctx.db.query(
        `INSERT INTO records.quarantine (quarantine_id, account_id, source, import_id, import_file, import_line, message_id, type, source_id, source_updated_at,
           content_mac, resource, findings, names, state, received_at, changed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 'open', $15, $15) ON CONFLICT DO NOTHING`,
        [
          ...[
            id,
            delivery.accountId,
            delivery.source,
            delivery.importId,
            delivery.fileId,
            one.index,
            delivery.messageId,
          ],
          ...[one.type, one.sourceId, one.lastUpdated ?? null, macs[0]],
          (await this.sealed(ctx, delivery.source, id, 'resource', one.text)).toString('base64'),
          ...[JSON.stringify(one.findings), JSON.stringify(namesIn(one.references, named)), ctx.now],
        ],
      );
      ctx.touch({ patientId: null, type: 'Quarantine', id });
    }
  }

  /** The sender has sent something good in its place: nothing is left to do. */
  async supersede(ctx: ImportCtx, { source, importId }: Delivery, good: readonly Candidate[]): Promise<void> {
    if (good.length === 0) return;
    await ctx.db.query(
      `UPDATE records.quarantine q SET state = 'superseded', version = q.version + 1, changed_at = $5
         FROM unnest($2::text[], $3::text[], $4::timestamptz[]) AS g(type, source_id, updated_at)
        WHERE q.source = $1 AND q.state = 'open' AND q.type = g.type AND q.source_id = g.source_id AND q.import_id <> $6
          AND (q.source_updated_at IS NULL OR g.updated_at IS NULL OR g.updated_at >= q.source_updated_at)`,
      [
        source,
        good.map(({ type }) => type),
        good.map(({ sourceId }) => sourceId),
        good.map(({ facts, deletion }) => (deletion ? deletion.at : facts.lastUpdated) ?? null),
        ctx.now,
        importId,
      ],
    );
  }

  async retried(ctx: ImportCtx, id: string): Promise<Quarantined | null> {
    const [row] = await ctx.db.query<{
      type: string;
      line: number;
      resource: string;
      corrected: string | null;
      names: Names;
    }>(
      `SELECT type, import_line AS line, resource, corrected, names FROM records.quarantine WHERE quarantine_id = $1 AND state = 'retrying'`,
      [id],
    );
    if (!row) return null;
    const column = row.corrected === null ? 'resource' : 'corrected';
    const sealed = Buffer.from(row.corrected ?? row.resource, 'base64');
    const text = (await this.vault.open(ctx, quarantinePlace(id, column), sealed)).toString('utf8');
    return { id, type: row.type, line: row.line, text, names: row.names, isCorrected: row.corrected !== null };
  }

  /** How a second try ended: in the chart, or back on the list with what was found this time (null: nothing was looked at). */
  async settle(ctx: ImportCtx, id: string, isGood: boolean, findings: readonly object[] | null): Promise<void> {
    await ctx.db.query(
      `UPDATE records.quarantine SET state = $2, findings = coalesce($3, findings), version = version + 1, changed_at = $4
        WHERE quarantine_id = $1 AND state = 'retrying'`,
      [id, isGood ? 'released' : 'open', findings === null ? null : JSON.stringify(findings), ctx.now],
    );
  }

  sealed(
    ctx: Pick<Ctx, 'db' | 'afterCommit'>,
    source: string,
    id: string,
    column: 'resource' | 'corrected',
    text: string,
  ): Promise<Buffer> {
    return this.vault.seal(ctx, scopeOf(source), quarantinePlace(id, column), text);
  }
}
