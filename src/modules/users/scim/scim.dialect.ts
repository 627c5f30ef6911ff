import { speaks } from '../../../platform/http/dialect.js';
import { Text, Texts } from '../../../platform/http/fields.js';
import type { Problem } from '../../../platform/http/problem.js';

export const ERROR_SCHEMA = 'urn:ietf:params:scim:api:messages:2.0:Error';

/** An error as RFC 7644 section 3.12 has it. */
export class ScimErrorView {
  @Texts({ description: `\`${ERROR_SCHEMA}\`.` })
  schemas: string[];

  @Text({ description: 'HTTP status.', example: '409' })
  status: string;

  @Text({ optional: true, description: 'Kind of error.', example: 'uniqueness' })
  scimType?: string;

  @Text({ description: 'What to do. Never an echo of the input.' })
  detail: string;
}

/** RFC 7644 table 9, by our own codes. */
const SCIM_TYPES: Record<string, string> = {
  'http.empty-body': 'invalidSyntax',
  'http.invalid': 'invalidValue',
  'http.malformed-json': 'invalidSyntax',
  'http.too-deep': 'invalidSyntax',
  'http.too-many-values': 'invalidSyntax',
  'scim.group-name-taken': 'uniqueness',
  'scim.invalid-filter': 'invalidFilter',
  'scim.invalid-path': 'invalidPath',
  'scim.invalid-syntax': 'invalidSyntax',
  'scim.invalid-value': 'invalidValue',
  'scim.mutability': 'mutability',
  'scim.no-such-member': 'invalidValue',
  'scim.no-target': 'noTarget',
  'scim.too-many': 'tooMany',
  'users.username-taken': 'uniqueness',
};

const detailOf = ({ detail, extra }: Problem): string =>
  [detail, ...(extra.errors ?? []).map((one) => `${one.pointer}: ${one.detail}`)].join(' ');

/** SCIM 2.0 (RFC 7644): its media type, its errors; a body may bring all members of a large group. */
export const SCIM = speaks({
  prefix: '/scim',
  mediaType: 'application/scim+json',
  bodyLimit: 2 * 1024 * 1024,
  maxValues: 60_000,
  // RFC 7644 section 3.4.2: "SHOULD ignore unknown query parameters".
  ignoresUnknownQuery: true,
  problemView: ScimErrorView,
  problemBody: (problem): ScimErrorView => ({
    schemas: [ERROR_SCHEMA],
    status: String(problem.status),
    ...(SCIM_TYPES[problem.code] ? { scimType: SCIM_TYPES[problem.code] } : {}),
    detail: detailOf(problem),
  }),
});
