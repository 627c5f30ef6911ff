import { createApp } from '../app.js';
import { Invitations } from '../modules/auth/index.js';
import { Accounts } from '../modules/users/index.js';
import { Operator } from '../platform/access/operator.js';
import { loadConfig } from '../platform/config/config.js';
import { OperatorError, type Command } from './command.js';

/** Opens an invited administrator account; resolves with its id and the activation code. */
export async function createAdmin(
  app: { get<T>(type: abstract new (...args: never[]) => T): T },
  person: { username: string; displayName: string; email: string },
): Promise<{ accountId: string; code: string }> {
  return app.get(Operator).run(
    async (ctx) => {
      const accountId = await app.get(Accounts).createFirstAdmin(ctx, person);
      const { code } = await app.get(Invitations).create(ctx, { accountId });
      return { accountId, code };
    },
    ({ accountId }) => ({ code: 'Account.create', act: 'C', accountId, reason: 'operator' }),
  );
}

export const adminCreate: Command = {
  usage: '--username <name> --name <"First Last"> --email <address>',
  summary: 'Open an administrator account and print its activation code (7 days, once).',
  options: {
    username: { type: 'string', description: 'name to sign in with' },
    name: { type: 'string', description: 'name that people read' },
    email: { type: 'string', description: 'address for notices' },
  },
  async run({ username, name, email }) {
    if (typeof username !== 'string' || typeof name !== 'string' || typeof email !== 'string')
      throw new OperatorError('--username, --name and --email are needed');
    const config = loadConfig();
    const app = await createApp(config);
    try {
      const { code } = await createAdmin(app, { username, displayName: name, email });
      console.log(`Account "${username}" waits for its activation. Send this to its holder, by a safe way:\n
  Activation code: ${code}

They choose a password with it:
  curl -X POST ${config.http.publicUrl}/v1/auth/activate -H 'content-type: application/json' -d '{"activationCode":"${code}","password":"<at least 8 characters>"}'
then sign in at POST /v1/auth/login, where an authenticator app is enrolled first.`);
    } finally {
      await app.close();
    }
  },
};
