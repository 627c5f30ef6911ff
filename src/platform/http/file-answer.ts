import { pipeline, type Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { StreamableFile } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { rangeOf, type ByteRange } from './byte-range.js';

/** A file for somebody. */
export interface Download {
  mediaType: string;
  name: string;
  /** Null: not known, because it was packed by another version. Then it can only be had from its beginning. */
  known: { etag: string; size: number } | null;
  open: (range: ByteRange | null) => Readable;
  /** It is long and packs well. */
  isLong: boolean;
}

/** RFC 9110 §12.5.3: named, and not with a weight of nothing. */
const one = (header: string | string[] | undefined): string | undefined =>
  Array.isArray(header) ? header.join(', ') : header;

const acceptsGzip = (header: string | undefined): boolean =>
  (header ?? '').split(',').some((one) => {
    const [name, ...weights] = one
      .trim()
      .toLowerCase()
      .split(/\s*;\s*/);
    return name === 'gzip' && !weights.some((weight) => /^q=0(\.0*)?$/.test(weight));
  });

/** What is sent of it: all, packed where the client takes that; or the bytes it asks for (RFC 9110 section 14), never packed. */
export function sendFile(download: Download, request: FastifyRequest, reply: FastifyReply): StreamableFile {
  const { mediaType, name, known, isLong } = download;
  const { range, 'if-range': ifRange, 'accept-encoding': encodings } = request.headers;
  const about = { type: mediaType, disposition: `attachment; filename="${name}"` };
  const asked = known && range && request.method === 'GET' ? rangeOf({ range, ifRange: one(ifRange) }, known) : null;
  void reply.header('accept-ranges', known ? 'bytes' : 'none');
  if (isLong) void reply.header('vary', 'Accept-Encoding');
  if (isLong && range === undefined && acceptsGzip(one(encodings))) {
    void reply.headers({ 'content-encoding': 'gzip', etag: known!.etag.replace(/"$/, '-gzip"') });
    return new StreamableFile(
      pipeline(download.open(null), createGzip(), () => undefined),
      about,
    );
  }
  if (known) void reply.header('etag', known.etag);
  if (!asked) return new StreamableFile(download.open(null), { ...about, length: known?.size });
  const { start, end } = asked;
  void reply.status(206).header('content-range', `bytes ${start}-${end}/${known!.size}`);
  return new StreamableFile(download.open(asked), { ...about, length: end - start + 1 });
}
