import type { FastifyRequest } from 'fastify';
import type { Cookies, Transport } from '../http/cookies.js';
import type { Actor } from './actor.js';
import type { Ctx } from './context.js';
import type { Dialect } from '../http/dialect.js';
import type { EndpointOptions } from './endpoint.js';

/** One piece of data that an answer holds or a write changed, for the audit event. Ids and codes only. */
export interface Touch {
  /** Whose data; null for data of no patient. */
  patientId: string | null;
  /** Kind of thing, as in FHIR: `Observation`, `Patient`, or a subject's name. */
  type: string;
  id: string;
  /** Category of data, such as `laboratory` (ASTM E2147 7.1.9). */
  category?: string;
  version?: number;
  /** Version before the change: pointer to the original state (ASTM E2147 7.1.8). */
  previousVersion?: number;
  /** Of a change of what somebody may do: what stood before and what stands now, as codes (roles, `status:disabled`). */
  before?: readonly string[];
  after?: readonly string[];
}

/** What is known of one request from its first byte to the event that tells of it. */
export interface Trail {
  readonly requestId: string;
  readonly receivedAt: Date;
  readonly startedMs: number;
  readonly peer: string;
  readonly method: string;
  readonly userAgent: string;
  readonly cookies: Cookies;
  /** Route template, never the URL: `/v1/records/:id`; empty when no route matched. */
  route: string;
  /** Parameters of the route that are UUIDs: what was asked for, also when it was refused. */
  readonly params: Readonly<Record<string, string>>;
  endpoint: EndpointOptions | null;
  /** In which standard's way the route, or the address that is none, speaks JSON; the portal's own where it is missing. */
  readonly dialect?: Dialect;
  actor: Actor | null;
  /** Account that a public route found out about (sign-in), for the event. */
  accountId: string | null;
  sessionId: string | null;
  /** What carried the credentials, if there were any. */
  carrier: Transport | null;
  /** Why the credentials were refused, if they were. */
  credentialProblem: string | null;
  ctx: Ctx | null;
  readonly touches: Touch[];
  /** Headers that the handler adds to its answer, a refusal too. */
  readonly answerHeaders: Record<string, string>;
  /** Codes that explain the outcome: an error's code, or what a handler adds (`session-ended:idle`). */
  code: string | null;
  /** True as soon as an event that covers the answer is durable. */
  settled: boolean;
  /** A stream is on its way: its own end is told, and no other. */
  streaming?: boolean;
}

const TRAIL = Symbol('trail');

type Carrier = FastifyRequest['raw'] & { [TRAIL]?: Trail };

export function attachTrail(request: { raw: FastifyRequest['raw'] }, trail: Trail): void {
  (request.raw as Carrier)[TRAIL] = trail;
}

/** The trail of a request; every request that reached Fastify has one. */
export function trailOf(request: { raw: FastifyRequest['raw'] }): Trail {
  const trail = (request.raw as Carrier)[TRAIL];
  if (!trail) throw new Error('a request without a trail');
  return trail;
}
