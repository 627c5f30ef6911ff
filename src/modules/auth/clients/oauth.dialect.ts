import { speaks } from '../../../platform/http/dialect.js';
import { Text } from '../../../platform/http/fields.js';
import type { Problem } from '../../../platform/http/problem.js';

/** An error as RFC 6749 section 5.2 has it. */
export class OAuthErrorView {
  @Text({ description: 'Kind of error.', example: 'invalid_client' })
  error: string;

  @Text({ description: 'What to do. Never an echo of the input.' })
  error_description: string;

  @Text({ description: "The portal's own code, as in its other errors." })
  code: string;
}

const ERRORS: Record<string, string> = {
  'auth.invalid-client': 'invalid_client',
  'auth.certificate-needed': 'invalid_client',
  'auth.invalid-scope': 'invalid_scope',
  'auth.unsupported-grant-type': 'unsupported_grant_type',
  'auth.too-many-attempts': 'temporarily_unavailable',
};

const errorOf = ({ code, status }: Problem): string =>
  ERRORS[code] ?? (status === 503 ? 'temporarily_unavailable' : status >= 500 ? 'server_error' : 'invalid_request');

/** The token endpoint speaks OAuth 2.0: forms in, and errors as its clients know them. */
export const OAUTH = speaks({
  prefix: '/v1/auth/token',
  mediaType: 'application/json',
  bodyLimit: 16 * 1024,
  readsForms: true,
  problemView: OAuthErrorView,
  problemBody: (problem): OAuthErrorView => ({
    error: errorOf(problem),
    error_description: problem.detail,
    code: problem.code,
  }),
});
