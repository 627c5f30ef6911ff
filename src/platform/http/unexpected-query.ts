import type { ExecutionContext } from '@nestjs/common';
import { ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import type { FastifyRequest } from 'fastify';
import { endpointOf } from '../access/endpoint.js';
import { invalid } from './validation.js';

/** Nest's number for `@Query()` in the metadata of a handler's parameters (RouteParamtypes.QUERY). */
const QUERY = '4:';

/** A route that takes no query parameters refuses them by name; the others' are named by their own validation. */
export function refuseUnexpectedQuery(context: ExecutionContext): void {
  const { query } = context.switchToHttp().getRequest<FastifyRequest>();
  const names = Object.keys(query ?? {});
  if (names.length === 0 || endpointOf(context.getHandler())?.dialect?.ignoresUnknownQuery) return;
  const args = Reflect.getMetadata(ROUTE_ARGS_METADATA, context.getClass(), context.getHandler().name) as
    object | undefined;
  if (Object.keys(args ?? {}).some((key) => key.startsWith(QUERY))) return;
  throw invalid(
    names.map((name) => ({
      pointer: `/${name.slice(0, 100).replaceAll('~', '~0').replaceAll('/', '~1')}`,
      code: 'unknown',
      detail: 'This is not known here: leave it out.',
    })),
  );
}
