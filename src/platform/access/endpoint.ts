import { applyDecorators, HttpCode, SetMetadata, type Type } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { documented } from '../docs/documented.js';
import type { Dialect } from '../http/dialect.js';
import { documentation } from './endpoint-documentation.js';
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
  /** Its body may take longer than REQUEST_TIMEOUT_SECONDS, as long as it comes on; never of a public route. */
  uploads?: boolean;
  /** In which standard's way it speaks JSON, bodies, answers and errors; else in the portal's own. */
  dialect?: Dialect;
  /** The handler writes bytes of this type itself. */
  produces?: string;
  /** It is long: its event is durable before the first byte, and a second one, with the number of bytes, before the last. */
  streams?: boolean;
  /** Its person was recognised at most so many seconds ago: by a second factor, or by the password where they hold none. */
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
    documented((swagger) => applyDecorators(...documentation(swagger, options, statusOf(options)))),
  );
}

const statusOf = (options: EndpointOptions): number =>
  options.status ?? (options.response === null && !options.produces ? 204 : 200);

export function endpointOf(handler: object): EndpointOptions | undefined {
  return Reflect.getMetadata(ENDPOINT, handler) as EndpointOptions | undefined;
}

export const eventCode = (endpoint: EndpointOptions): string => `${endpoint.subject}.${endpoint.action}`;
