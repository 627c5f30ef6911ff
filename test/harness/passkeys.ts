import emulators from 'nid-webauthn-emulator';
import type { Caller } from './people.js';
import type { Portal } from './portal.js';

const { AuthenticatorEmulator, PasskeysCredentialsMemoryRepository, WebAuthnEmulator } = emulators;

type Authenticator = NonNullable<ConstructorParameters<typeof AuthenticatorEmulator>[0]>;
type Options<M extends 'createJSON' | 'getJSON'> = Parameters<InstanceType<typeof WebAuthnEmulator>[M]>[1];

export interface Assertion {
  id: string;
  rawId: string;
  type: string;
  clientExtensionResults: object;
  response: { clientDataJSON: string; authenticatorData: string; signature: string; userHandle?: string };
}

/** What tests look at of PublicKeyCredentialCreationOptionsJSON and PublicKeyCredentialRequestOptionsJSON. */
export interface CreationOptions {
  challenge: string;
  rp: { id: string };
  user: { id: string };
  excludeCredentials: { id: string }[];
}
export interface RequestOptions {
  challenge: string;
  rpId: string;
  allowCredentials?: { id: string }[];
}

/** The same with one bit of a base64url part the other way. */
export function flipped(text: string): string {
  const bytes = Buffer.from(text, 'base64url');
  bytes[bytes.length - 1]! ^= 1;
  return bytes.toString('base64url');
}

/** Client data that says something else. */
export const retold = (clientDataJSON: string, change: object): string =>
  Buffer.from(
    JSON.stringify({ ...(JSON.parse(Buffer.from(clientDataJSON, 'base64url').toString()) as object), ...change }),
  ).toString('base64url');

const presenceOnly = () => ({ options: { uv: false, up: true } });
/** An authenticator that only asks to be touched: no PIN, no finger, no face. */
export const WITHOUT_CHECK: Authenticator = {
  userMakeCredentialInteraction: presenceOnly,
  userGetAssertionInteraction: presenceOnly,
};

/** A browser with an authenticator in it, which makes real keys and real signatures. At `origin` it obeys any site. */
export class Device {
  private readonly emulator;
  private readonly origin;

  constructor(
    private readonly portal: Portal,
    authenticator: Authenticator = {},
  ) {
    // Of its own: by default all emulators share one.
    const credentialsRepository = new PasskeysCredentialsMemoryRepository();
    this.emulator = new WebAuthnEmulator(new AuthenticatorEmulator({ credentialsRepository, ...authenticator }));
    this.origin = portal.config.http.publicUrl;
  }

  create(options: object, origin = this.origin): { id: string; response: { clientDataJSON: string } } {
    return this.emulator.createJSON(origin, options as Options<'createJSON'>, [origin]);
  }

  get(options: object, origin = this.origin): Assertion {
    return this.emulator.getJSON(origin, options as Options<'getJSON'>, [origin]);
  }

  /** Options for a new passkey of somebody who is signed in. */
  async beginRegistration(caller: Caller): Promise<CreationOptions> {
    const { body } = await caller.post('/v1/auth/passkeys/registration/options', {}).expect(200);
    return (body as { options: CreationOptions }).options;
  }

  /** Registers a passkey for somebody who is signed in; resolves with the answer's body. */
  async register(
    caller: Caller,
    name?: string,
  ): Promise<{ status: string; session: object; recoveryCodes?: string[] }> {
    const response = this.create(await this.beginRegistration(caller));
    const answer = await caller
      .post('/v1/auth/passkeys/registration', { response, ...(name ? { name } : {}) })
      .expect(200);
    return answer.body as Awaited<ReturnType<Device['register']>>;
  }

  /** Begins a sign-in with nothing but a passkey. */
  async beginSignIn(at = this.portal): Promise<{ challengeToken: string; options: object }> {
    const { body } = await at.http.post('/v1/auth/passkeys/sign-in/options').send({}).expect(200);
    return body as { challengeToken: string; options: object };
  }

  /** The whole of it, as a browser does it. */
  async signIn(at = this.portal) {
    const { challengeToken, options } = await this.beginSignIn(at);
    return at.http.post('/v1/auth/passkeys/sign-in').send({ challengeToken, response: this.get(options) });
  }
}
