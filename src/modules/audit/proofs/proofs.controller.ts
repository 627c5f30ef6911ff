import { hash } from 'node:crypto';
import {
  Controller,
  createParamDecorator,
  Get,
  Headers,
  Param,
  Query,
  Res,
  type ExecutionContext,
} from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ReqCtx, type SignedIn } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import { documented } from '../../../platform/docs/documented.js';
import { isKnownTo } from '../../../platform/http/if-none-match.js';
import { EventParams } from '../audit.dto.js';
import { ConsistencyQuery, ConsistencyView, InclusionQuery, InclusionView } from './proofs.dto.js';
import { OpenProofs, ProofsService } from './proofs.service.js';

/** Half of the shortest time between two checkpoints: what caches tell is never far behind. */
const CHECKPOINT_CACHE = 'public, max-age=5';
/** As long as those of the access tokens: an announced key waits longer before it signs. */
const KEYS_CACHE = 'public, max-age=300';
/** A full tile never changes; a week, so that a log that has to begin anew is not shadowed for ever. */
const FULL_TILE_CACHE = 'public, max-age=604800, immutable';
const PARTIAL_TILE_CACHE = 'public, max-age=60';

const PLAIN = 'text/plain; charset=utf-8';
const BYTES = 'application/octet-stream';

/** The rest of the path, of any number of parts: what no parameter of a route can hold. */
const TileName = createParamDecorator(
  (_: unknown, context: ExecutionContext): string =>
    context.switchToHttp().getRequest<FastifyRequest<{ Params: { '*': string } }>>().params['*'],
);
const tileName = (description: string) =>
  documented(({ ApiParam }) => ApiParam({ name: 'path', description, schema: { type: 'string' } }));

/**
 * What an outside verifier needs (README: who may see what). Headers for caches are set when there is something to keep: a
 * refusal is never kept.
 */
@Controller('v1/audit')
export class ProofsController {
  constructor(
    private readonly proofs: ProofsService,
    private readonly open: OpenProofs,
  ) {}

  @Get('checkpoint')
  @Endpoint({
    action: 'read',
    subject: 'Checkpoint',
    access: 'public',
    summary: 'The latest signed checkpoint of the audit trail (C2SP tlog-checkpoint), with its cosignatures',
    response: null,
    produces: 'text/plain',
  })
  async checkpoint(
    @Headers('if-none-match') known: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string | undefined> {
    const { note } = await this.open.checkpoint();
    const etag = `"${hash('sha256', note, 'base64url')}"`;
    void reply.type(PLAIN).headers({ 'cache-control': CHECKPOINT_CACHE, etag });
    if (!isKnownTo(known, etag)) return note;
    void reply.status(304);
    return undefined;
  }

  @Get('keys')
  @Endpoint({
    action: 'list',
    subject: 'VerifierKey',
    access: 'public',
    summary:
      'Verifier keys of the checkpoints (C2SP signed-note), former ones too, one a line; compare them with those that came by another road',
    response: null,
    produces: 'text/plain',
  })
  async keys(@Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    const keys = await this.open.keys();
    void reply.type(PLAIN).header('cache-control', KEYS_CACHE);
    return keys;
  }

  @Get('proof/inclusion')
  @Endpoint({
    action: 'read',
    subject: 'Proof',
    summary: 'Proof that a leaf is in the audit trail (RFC 6962)',
    response: InclusionView,
  })
  inclusion(@ReqCtx() ctx: SignedIn, @Query() query: InclusionQuery): Promise<InclusionView> {
    return this.proofs.inclusion(ctx, query);
  }

  @Get('proof/consistency')
  @Endpoint({
    action: 'read',
    subject: 'Consistency',
    access: 'public',
    summary: 'Proof that one state of the audit trail is the beginning of a later one (RFC 6962)',
    response: ConsistencyView,
  })
  consistency(@Query() query: ConsistencyQuery): Promise<ConsistencyView> {
    return this.open.consistency(query);
  }

  @Get('tile/entries/*')
  @tileName('`<N>[.p/<W>]`, N in groups of three digits: `000`, `x001/234.p/17`.')
  @Endpoint({
    action: 'read',
    subject: 'EntryBundle',
    summary: 'Entries of the audit trail, up to 256 (C2SP tlog-tiles)',
    response: null,
    produces: BYTES,
  })
  async entries(
    @ReqCtx() ctx: SignedIn,
    @TileName() name: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Buffer> {
    const bytes = await this.proofs.entries(ctx, `tile/entries/${name}`);
    void reply.type(BYTES);
    return bytes;
  }

  @Get('tile/*')
  @tileName('`<L>/<N>[.p/<W>]`, N in groups of three digits: `0/000`, `1/x001/234.p/17`.')
  @Endpoint({
    action: 'read',
    subject: 'Tile',
    access: 'public',
    summary: 'Hashes of the audit trail, up to 256 (C2SP tlog-tiles)',
    response: null,
    produces: BYTES,
  })
  async tile(@TileName() name: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<Buffer> {
    const { bytes, isFull } = await this.open.hashTile(`tile/${name}`);
    void reply.type(BYTES).header('cache-control', isFull ? FULL_TILE_CACHE : PARTIAL_TILE_CACHE);
    return bytes;
  }

  @Get('events/:seq/receipt')
  @Endpoint({
    action: 'read',
    subject: 'Receipt',
    summary:
      'One event with everything that proves it, to keep (C2SP tlog-proof): for officers, and for the patient whose it is',
    response: null,
    produces: 'text/plain',
  })
  async receipt(
    @ReqCtx() ctx: SignedIn,
    @Param() { seq }: EventParams,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    const receipt = await this.proofs.receipt(ctx, seq);
    void reply.type(PLAIN).header('content-disposition', `attachment; filename="event-${seq}.tlog-proof"`);
    return receipt;
  }
}
