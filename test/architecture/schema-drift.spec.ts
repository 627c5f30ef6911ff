import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { migrations, ownerDataSource } from '../../src/data-source.js';
import { provision } from '../../src/platform/database/provision.js';
import { cloneDatabase } from '../harness/database.js';

/** Everything in the database that a migration makes: one line each, so that a difference names itself. */
const CATALOGUE = `
  WITH ours AS (SELECT oid, nspname FROM pg_namespace WHERE nspname IN ('platform', 'users', 'auth', 'records', 'audit'))
  SELECT line FROM (
    SELECT format('schema %s %s', n.nspname, s.nspacl) AS line FROM ours n JOIN pg_namespace s ON s.oid = n.oid
    UNION ALL SELECT format('relation %s.%s %s rls=%s %s', n.nspname, c.relname, c.relkind, c.relrowsecurity, c.relacl) FROM pg_class c JOIN ours n ON n.oid = c.relnamespace
    UNION ALL SELECT format('column %s.%s.%s %s not_null=%s %s %s', n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attacl, pg_get_expr(d.adbin, d.adrelid))
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN ours n ON n.oid = c.relnamespace LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
      WHERE a.attnum > 0 AND NOT a.attisdropped
    UNION ALL SELECT format('constraint %s on %s %s', x.conname, x.conrelid::regclass, pg_get_constraintdef(x.oid)) FROM pg_constraint x JOIN ours n ON n.oid = x.connamespace
    UNION ALL SELECT format('index %s', indexdef) FROM pg_indexes JOIN ours n ON n.nspname = schemaname
    UNION ALL SELECT format('function %s %s %s', p.oid::regprocedure, p.proacl, md5(p.prosrc)) FROM pg_proc p JOIN ours n ON n.oid = p.pronamespace
    UNION ALL SELECT format('trigger %s on %s %s', t.tgname, t.tgrelid::regclass, pg_get_triggerdef(t.oid)) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN ours n ON n.oid = c.relnamespace WHERE NOT t.tgisinternal
    UNION ALL SELECT format('view %s.%s %s', schemaname, viewname, definition) FROM pg_views JOIN ours n ON n.nspname = schemaname
    UNION ALL SELECT format('policy %s on %s.%s %s %s %s', policyname, schemaname, tablename, cmd, qual, with_check) FROM pg_policies JOIN ours n ON n.nspname = schemaname
  ) lines ORDER BY line`;

let owner: DataSource;

const catalogue = async (): Promise<string[]> =>
  (await owner.query<{ line: string }[]>(CATALOGUE)).map(({ line }) => line);

beforeAll(async () => {
  const database = await cloneDatabase();
  // Rights on a database are not copied with it.
  await provision(database);
  owner = await ownerDataSource(database).initialize();
});

afterAll(() => owner.destroy());

describe('the schema', () => {
  it('is what the entities say: TypeORM would change nothing', async () => {
    const { upQueries } = await owner.driver.createSchemaBuilder().log();
    expect(upQueries.map(({ query }) => query)).toEqual([]);
    expect(owner.entityMetadatas.length).toBeGreaterThan(0);
  });

  it('goes down to nothing and up again to the same', async () => {
    const before = await catalogue();
    for (let down = 0; down < migrations.length; down++) await owner.undoLastMigration({ transaction: 'each' });
    const left = (await catalogue()).filter((line) => /^(schema (?!platform)|relation .* [rvp] )/.test(line));
    expect(left).toEqual([expect.stringContaining('relation platform.migration r')]);
    await owner.runMigrations({ transaction: 'each' });
    expect(await catalogue()).toEqual(before);
  });
});
