import { randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { assertionOf, JWT_BEARER, newMachineKey, type MachineKey } from '../harness/assertions.js';
import { NOBODY } from '../harness/hospital.js';
import type { Portal } from '../harness/portal.js';
import type { Relation } from './access-matrix.js';
import { account, type World } from './access-world.js';

/** A key of the directory: there, taken away, or none. */
export async function clientKey({ portal, admin, people: { directory } }: World, relation: Relation): Promise<string> {
  if (relation === 'none') return NOBODY;
  const id = uuidv7();
  await portal.owner.query(
    `INSERT INTO auth.client_key (client_key_id, account_id, kind, kid, jwk, algorithms, created_at, created_by, expires_at, revoked_at, revoke_reason)
     VALUES ($1, $2, 'key', $3, '{}', '{ES256}', $4, $5, $4::timestamptz + interval '1 day', CASE WHEN $6 THEN $4::timestamptz END, CASE WHEN $6 THEN 'x' END)`,
    [id, directory.id, randomBytes(32).toString('base64url'), portal.clock.now(), admin.id, relation === 'closed'],
  );
  return id;
}

/** Of the account of this id no key is left: it may have ten. */
export async function withoutKeys({ portal }: World, id: string): Promise<{ jwk: MachineKey['publicJwk'] }> {
  await portal.owner.query(
    `UPDATE auth.client_key SET expires_at = created_at
      WHERE account_id = $1 AND client_key_id NOT IN (SELECT min(client_key_id::text)::uuid FROM auth.client_key WHERE account_id = $1)`,
    [id],
  );
  return { jwk: (await newMachineKey()).publicJwk };
}

/** What the feed sends to get a token. */
export async function tokenRequest({ portal, people: { integration } }: World): Promise<object> {
  const { machine } = integration.credentials as unknown as { machine: { clientId: string; key: MachineKey } };
  return {
    grant_type: 'client_credentials',
    client_assertion_type: JWT_BEARER,
    client_assertion: await assertionOf({
      ...machine,
      audience: portal.config.http.publicUrl,
      now: portal.clock.now(),
    }),
  };
}

/** Somebody at the front desk who was never there. */
export async function invitedAccount(portal: Portal): Promise<string> {
  const id = await account(portal, 'active');
  await portal.owner.query(`UPDATE users.account SET status = 'invited', activated_at = NULL WHERE account_id = $1`, [
    id,
  ]);
  return id;
}
