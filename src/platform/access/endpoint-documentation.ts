import type { Swagger } from '../docs/documented.js';
import { ProblemView } from '../http/problem.view.js';
import type { EndpointOptions } from './endpoint.js';

function answerOf(swagger: Swagger, options: EndpointOptions, status: number): MethodDecorator[] {
  const { ApiExtraModels, ApiProduces, ApiResponse, getSchemaPath } = swagger;
  const description = options.summary;
  if (options.produces) {
    const content = { [options.produces]: { schema: { type: 'string' as const, format: 'binary' } } };
    return [ApiProduces(options.produces), ApiResponse({ status, description, content })];
  }
  const produced = options.dialect ? [ApiProduces(options.dialect.mediaType)] : [];
  if (options.response === null) return [ApiResponse({ status, description })];
  const headers = options.location
    ? { Location: { description: 'Where it can be read.', schema: { type: 'string' as const } } }
    : undefined;
  if (!options.paged)
    return [...produced, ApiResponse({ status, description, type: options.response, ...(headers ? { headers } : {}) })];
  const page = {
    type: 'object' as const,
    required: ['items', 'next'],
    properties: {
      items: { type: 'array' as const, items: { $ref: getSchemaPath(options.response) } },
      next: { type: 'string' as const, nullable: true, description: 'Cursor of the next page; null on the last.' },
      notice: { type: 'string' as const, description: 'What the reader has to know of this list; usually not there.' },
    },
  };
  return [ApiExtraModels(options.response), ApiResponse({ status, description, schema: page })];
}

function problemsOf(
  { ApiExtraModels, ApiResponse, getSchemaPath }: Swagger,
  { dialect }: EndpointOptions,
): MethodDecorator[] {
  const [mediaType, view, description] = dialect
    ? [dialect.mediaType, dialect.problemView, 'An error.']
    : ['application/problem+json', ProblemView, 'A problem (RFC 9457).'];
  const content = { [mediaType]: { schema: { $ref: getSchemaPath(view) } } };
  return [ApiResponse({ status: 'default', description, content }), ApiExtraModels(view)];
}

/** What the OpenAPI document says of a route, from its declaration. */
export function documentation(swagger: Swagger, options: EndpointOptions, status: number): MethodDecorator[] {
  const { ApiBearerAuth, ApiBody, ApiConsumes, ApiCookieAuth, ApiHeader, ApiOperation, ApiTags } = swagger;
  const isPublic = options.access === 'public';
  return [
    ApiOperation({ summary: options.summary }),
    ApiTags(options.subject),
    ...answerOf(swagger, options, status),
    ...problemsOf(swagger, options),
    ...(isPublic ? [] : [ApiBearerAuth(), ApiCookieAuth()]),
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
    ...(options.dialect ? [ApiConsumes(options.dialect.mediaType)] : []),
    ...(options.consumes
      ? [ApiConsumes(...options.consumes), ApiBody({ required: true, schema: { type: 'object' } })]
      : []),
  ];
}
