import { Flag, Instant, Nested, OneOf, Text, Uuid } from '../../../platform/http/fields.js';
import type { Transport } from '../../../platform/http/cookies.js';
import { AskedTransport, TokensView } from '../sessions/session.dto.js';

export class ProviderParams {
  @Text({ max: 32, pattern: /^[a-z0-9][a-z0-9-]*$/, description: 'Id of the identity provider.' })
  provider: string;
}

export class StartQuery {
  @Text({ optional: true, max: 500, description: 'Path of the front end to go on to; one of those configured.' })
  returnTo?: string;

  @Flag({ optional: true, description: 'true: the provider asks the person again, which counts as a fresh sign-in.' })
  fresh?: boolean;
}

export class ExchangeCode {
  @Text({ max: 200, description: 'From the address that the browser came back to; one minute, once.' })
  code: string;

  @AskedTransport()
  transport?: Transport;
}

export class LinkIdentity {
  @Text({ optional: true, max: 500, description: 'Path of the front end to go on to; one of those configured.' })
  returnTo?: string;
}

export class IdentityParams {
  @Uuid({ description: 'Link.' })
  id: string;
}

class ProviderView {
  @Text({ description: 'Id of the identity provider.' })
  id: string;

  @Text({ description: 'Its name.' })
  name: string;

  @OneOf(['staff', 'patients', 'both'], { description: 'Who may sign in by it.' })
  audience: string;
}

export class ProvidersView {
  @Nested(() => ProviderView, { many: 100, description: 'Identity providers.' })
  items: ProviderView[];
}

export class RedirectView {
  @Text({ max: 4_000, format: 'uri', description: 'Where to send the browser.' })
  redirectUrl: string;
}

export class SsoTokensView extends TokensView {
  @Text({ description: 'Path of the front end to go on to.' })
  returnTo: string;
}

export class IdentityView {
  @Uuid({ description: 'Link.' })
  id: string;

  @Text({ nullable: true, description: 'Id of the identity provider; null when it is no longer configured.' })
  provider: string | null;

  @Text({ description: 'Name of the provider.' })
  name: string;

  @Instant({ description: 'Since when.' })
  createdAt: Date;

  @Flag({ description: 'The provider opened this account: the link stays.' })
  managed: boolean;
}

export class IdentitiesView {
  @Nested(() => IdentityView, { many: 100, description: 'Links to identity providers.' })
  items: IdentityView[];
}

export class AccountIdentitiesParams {
  @Uuid({ description: 'Account.' })
  id: string;
}

export class AccountIdentityParams extends AccountIdentitiesParams {
  @Uuid({ description: 'Link.' })
  identityId: string;
}

/** As administrators see it, who have to know whose link it is. */
class AccountIdentityView extends IdentityView {
  @Text({ description: 'Issuer.' })
  issuer: string;

  @Text({ description: 'As whom the issuer knows the person (sub).' })
  subject: string;
}

export class AccountIdentitiesView {
  @Nested(() => AccountIdentityView, { many: 100, description: 'Links to identity providers.' })
  items: AccountIdentityView[];
}
