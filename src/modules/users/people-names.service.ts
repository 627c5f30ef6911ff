import { Global, Injectable, Module } from '@nestjs/common';
import type { SignedIn } from '../../platform/access/context.js';
import { PeopleNames, type Named } from '../../platform/access/people-names.js';

/** Names alone, no demographics; the function in the database checks by itself that an officer asks. */
@Injectable()
class NamesOfPeople extends PeopleNames {
  async of(
    ctx: SignedIn,
    { accounts, patients }: { accounts: readonly string[]; patients: readonly string[] },
  ): Promise<ReadonlyMap<string, Named>> {
    const ids = [...accounts, ...patients];
    const known = new Map<string, Named>(ids.map((id) => [id, { id, name: null, kind: 'erased' }]));
    if (ids.length === 0) return known;
    const rows = await ctx.db.query<Named>(
      'SELECT id, name, kind FROM users.names_of($1, $2)',
      [accounts, patients],
      'users_names_of',
    );
    for (const row of rows) known.set(row.id, row);
    return known;
  }

  async forChart(ctx: SignedIn, patientId: string, accounts: readonly string[]): Promise<ReadonlyMap<string, Named>> {
    const known = new Map<string, Named>(accounts.map((id) => [id, { id, name: null, kind: 'erased' }]));
    if (accounts.length === 0) return known;
    const rows = await ctx.db.query<Named>(
      'SELECT id, name, kind FROM users.names_for_chart($1, $2)',
      [patientId, accounts],
      'users_names_for_chart',
    );
    for (const row of rows) known.set(row.id, row);
    return known;
  }
}

/** Global because the audit trail imports no module: it knows the port alone. */
@Global()
@Module({ providers: [{ provide: PeopleNames, useClass: NamesOfPeople }], exports: [PeopleNames] })
export class NamesModule {}
