import { applyDecorators, HttpCode, SetMetadata, type Type } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import {
  ApiBearerAuth,
  ApiBody,
  ApiConsumes,
  ApiExtraModels,
  ApiHeader,
  ApiOperation,
  ApiProduces,
  ApiResponse,
  ApiTags,
  getSchemaPath,
} from '@nestjs/swagger';
import { ProblemView } from '../http/problem.view.js';
import type { Action, SubjectName } from './vocabulary.js';

export interface EndpointOptions {
  action: Action;
  subject: SubjectName;
  summary: string;
  /**
   * `signed-in` (default): a live session, strong enough for the role; `public`: anybody, and credentials are not looked at;
   * `mid-sign-in`: signed in, or nobody yet: then the handler demands the mfaToken of a sign-in under way.
   */
  access?: 'signed-in' | 'public' | 'mid-sign-in';
  /** The class whose declared fields leave the server; `null` for an answer without a body. */
  response: Type | null;
  /** The answer is a page of `response`. */
  paged?: boolean;
  /** Status of success; 200, or 204 where there is no body. */
  status?: number;
  /** `read` (default for GET): no transaction. `write`: one transaction, its event inside. `none`: no database work of its own. */
  work?: 'read' | 'write' | 'none';
  /** Media types of the body other than JSON; the handler reads the stream itself. */
  consumes?: readonly string[];
  /** The handler writes bytes of this type itself. */
  produces?: string;
  /** A recent second factor is needed, at most this many seconds old. */
  stepUpSeconds?: number;
  /** Creates something: takes an Idempotency-Key. */
  creates?: boolean;
  /** Where what was made can be read: `/v1/users/:id`, with the answer's id. */
  location?: string;
  /** Needs If-Match. */
  conditional?: boolean;
  /** No audit event. Only liveness, which holds nothing and is asked every second. */
  unaudited?: boolean;
  /** Never counts as activity of the person (automatic logout). */
  background?: boolean;
}

const ENDPOINT = 'portico:endpoint';

/**
 * The one declaration of a route, read by the door guard, the audit (event code `Subject.action`), the response mapper,
 * OpenAPI and the route-inventory test. A route without it is refused, and the application does not start with one.
 */
export function Endpoint(options: EndpointOptions): MethodDecorator {
  return applyDecorators(
    SetMetadata(ENDPOINT, options),
    RouteConfig({ endpoint: options }),
    HttpCode(statusOf(options)),
    ...documentation(options),
  );
}

const statusOf = (options: EndpointOptions): number =>
  options.status ?? (options.response === null && !options.produces ? 204 : 200);

function answerOf(options: EndpointOptions): MethodDecorator[] {
  const status = statusOf(options);
  const description = options.summary;
  if (options.produces) return [ApiProduces(options.produces), ApiResponse({ status, description })];
  if (options.response === null) return [ApiResponse({ status, description })];
  const headers = options.location
    ? { Location: { description: 'Where it can be read.', schema: { type: 'string' as const } } }
    : undefined;
  if (!options.paged)
    return [ApiResponse({ status, description, type: options.response, ...(headers ? { headers } : {}) })];
  const page = {
    type: 'object' as const,
    required: ['items', 'next'],
    properties: {
      items: { type: 'array' as const, items: { $ref: getSchemaPath(options.response) } },
      next: { type: 'string' as const, nullable: true, description: 'Cursor of the next page; null on the last.' },
    },
  };
  return [ApiExtraModels(options.response), ApiResponse({ status, description, schema: page })];
}

function documentation(options: EndpointOptions): MethodDecorator[] {
  const isPublic = options.access === 'public';
  return [
    ApiOperation({ summary: options.summary }),
    ApiTags(options.subject),
    ...answerOf(options),
    ApiResponse({
      status: 'default',
      description: 'A problem (RFC 9457).',
      content: { 'application/problem+json': { schema: { $ref: getSchemaPath(ProblemView) } } },
    }),
    ApiExtraModels(ProblemView),
    ...(isPublic ? [] : [ApiBearerAuth()]),
    ...(options.conditional
      ? [ApiHeader({ name: 'If-Match', required: true, description: 'ETag of the version that is changed.' })]
      : []),
    ...(options.creates
      ? [
          ApiHeader({
            name: 'Idempotency-Key',
            required: false,
            description: 'The same key within 24 h answers what the first call answered.',
          }),
        ]
      : []),
    ...(options.consumes
      ? [ApiConsumes(...options.consumes), ApiBody({ required: true, schema: { type: 'object' } })]
      : []),
  ];
}

export function endpointOf(handler: object): EndpointOptions | undefined {
  return Reflect.getMetadata(ENDPOINT, handler) as EndpointOptions | undefined;
}

export const eventCode = (endpoint: EndpointOptions): string => `${endpoint.subject}.${endpoint.action}`;
