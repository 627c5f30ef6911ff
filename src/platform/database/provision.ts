import pg from 'pg';
import type { Config } from '../config/config.js';

/** Group roles that own and use the schema. Nobody logs in as one of them; logins are members. */
const GROUPS = ['portico_owner', 'portico_app', 'portico_sequencer', 'portico_auditor'] as const;

const LOGIN_OF = { url: 'portico_app', sequencerUrl: 'portico_sequencer', auditorUrl: 'portico_auditor' } as const;

async function ensureRole(client: pg.Client, name: string, options: string): Promise<void> {
  const { rowCount } = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [name]);
  await client.query(`${rowCount ? 'ALTER' : 'CREATE'} ROLE ${pg.escapeIdentifier(name)} ${options}`);
}

/**
 * Makes the roles, the logins of the configured URLs and the schema that holds the list of migrations. Idempotent; run as
 * a role that may create roles. The logins get no more than their group: none owns a table, none bypasses row security.
 */
export async function provision(database: Config['database']): Promise<void> {
  const client = new pg.Client({ connectionString: database.ownerUrl });
  await client.connect();
  try {
    // Roles belong to the whole server: two databases set up at once must not race.
    await client.query("SELECT pg_advisory_lock(hashtext('portico roles'))");
    const { rows } = await client.query<{ database: string; login: string }>(
      'SELECT current_database() AS database, current_user AS login',
    );
    const { database: name, login } = rows[0]!;
    for (const group of GROUPS) {
      const exists = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [group]);
      if (!exists.rowCount) await client.query(`CREATE ROLE ${group} NOLOGIN NOSUPERUSER NOBYPASSRLS`);
    }
    // PostgreSQL lets everybody connect and make temporary tables until told otherwise.
    await client.query(`REVOKE ALL ON DATABASE ${pg.escapeIdentifier(name)} FROM PUBLIC`);
    await client.query(`GRANT portico_owner TO ${pg.escapeIdentifier(login)}`);
    await client.query(`GRANT CREATE, CONNECT ON DATABASE ${pg.escapeIdentifier(name)} TO portico_owner`);
    for (const [key, group] of Object.entries(LOGIN_OF)) {
      const url = new URL(database[key as keyof typeof LOGIN_OF]);
      const user = decodeURIComponent(url.username);
      if (user === login) continue;
      const password = pg.escapeLiteral(decodeURIComponent(url.password));
      await ensureRole(
        client,
        user,
        `LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB INHERIT PASSWORD ${password}`,
      );
      await client.query(`GRANT ${group} TO ${pg.escapeIdentifier(user)}`);
      await client.query(`GRANT CONNECT ON DATABASE ${pg.escapeIdentifier(name)} TO ${pg.escapeIdentifier(user)}`);
    }
    await client.query('CREATE SCHEMA IF NOT EXISTS platform AUTHORIZATION portico_owner');
    await client.query("SELECT pg_advisory_unlock(hashtext('portico roles'))");
  } finally {
    await client.end();
  }
}
