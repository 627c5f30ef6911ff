import { PasswordResets } from '../../src/modules/auth/recovery/password-resets.js';
import type { Ctx } from '../../src/platform/access/context.js';
import { NOBODY } from '../harness/hospital.js';
import { currentCode, freshName, mailedCode, makePatient } from '../harness/people.js';
import type { Person, Relation } from './access-matrix.js';
import { account, type World } from './access-world.js';

/** A patient of their own, whom a request may lock out. */
export const newcomer = async ({ portal, people }: World) => makePatient(portal, await people.admin.signedIn(portal));

/** A token of "forgotten password". */
export async function resetTokenOf({ portal }: World, accountId: string): Promise<string> {
  const { rows } = await portal.owner.query<{ email: string }>(
    'SELECT email FROM users.account WHERE account_id = $1',
    [accountId],
  );
  const db = { query: async (text: string, values: unknown[]) => (await portal.owner.query(text, values)).rows };
  const ctx = { db, now: portal.clock.now() } as unknown as Ctx;
  const [token] = await portal.app.get(PasswordResets).issue(ctx, [{ accountId, email: rows[0]!.email }]);
  return token!;
}

/** A newcomer with an authenticator app, half-way in. */
export async function withLostPhone(world: World): Promise<{ id: string; mfaToken: string; code: string }> {
  const { portal } = world;
  const patient = await newcomer(world);
  const { secret } = (await patient.post('/v1/auth/mfa/totp', {}).expect(200)).body as { secret: string };
  const code = await currentCode(secret, portal.clock);
  const { body } = await patient.post('/v1/auth/mfa/totp/confirm', { code }).expect(200);
  const id = await patient.accountId();
  const { username, password } = patient.credentials;
  const { mfaToken } = (await portal.http.post('/v1/auth/login').send({ username, password }).expect(200)).body as {
    mfaToken: string;
  };
  return { id, mfaToken, code: (body as { recoveryCodes: string[] }).recoveryCodes[0]! };
}

/** The code that was mailed to an address which somebody wants to have. */
export async function emailCode(world: World, person: Person): Promise<string> {
  const caller = person === 'anonymous' ? null : await world.people[person].signedIn(world.portal);
  const email = `${freshName('mailbox')}@home.test`;
  if ((await caller?.post('/v1/me/email', { email }))?.status !== 204) return '0000-0000-0000-0000';
  return mailedCode(world.portal, email);
}

/** Something that an administrator asked for; `own`: the one who decides now. */
export async function accountReset(world: World, person: Person, relation: Relation): Promise<string> {
  if (relation === 'none') return NOBODY;
  // Somebody whom no administrator has made: of two who go back to one administrator, neither decides what the other asked for.
  const by =
    relation === 'own' && person !== 'anonymous' ? world.people[person].id : await account(world.portal, 'active');
  const { rows } = await world.portal.owner.query<{ id: string }>(
    `INSERT INTO auth.account_reset (account_reset_id, account_id, kind, status, reason, is_staff, needs_proof, requested_by, requested_at, expires_at)
     VALUES (gen_random_uuid(), $1, 'factors', $2, 'test', true, true, $3, $4, $4::timestamptz + interval '1 day') RETURNING account_reset_id AS id`,
    [
      await account(world.portal, 'active'),
      relation === 'closed' ? 'declined' : 'requested',
      by,
      world.portal.clock.now(),
    ],
  );
  return rows[0]!.id;
}
