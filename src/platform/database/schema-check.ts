import pg from 'pg';

/** No such schema, table, or right to read it: nothing of ours has been migrated there yet, or by an older version. */
const NOT_THERE = new Set(['3F000', '42P01', '42501']);

/** Those of this version's migrations that the database has not had. */
export async function missingMigrations(url: string, names: readonly string[]): Promise<string[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string }>('SELECT name FROM platform.migration');
    const done = new Set(rows.map(({ name }) => name));
    return names.filter((name) => !done.has(name));
  } catch (error) {
    if (NOT_THERE.has((error as { code?: string }).code ?? '')) return [...names];
    throw error;
  } finally {
    await client.end();
  }
}
