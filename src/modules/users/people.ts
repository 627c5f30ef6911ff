import { Injectable } from '@nestjs/common';
import type { Person } from '../../platform/access/ability-factory.js';
import type { Role } from '../../platform/access/vocabulary.js';
import type { Db } from '../../platform/database/db.js';

interface ActorRow {
  roles: Role[];
  patient_ids: string[];
  practitioner_id: string | null;
  panel: string[];
  source: string | null;
  changes_at: Date | null;
  access_version: string;
}

interface ProxyRow {
  patient_id: string;
  open_labels: string[];
  is_now: boolean;
  changes_at: Date | null;
}

export interface LoadedPerson {
  person: Person;
  /** Moves whenever roles, charts or care teams of the account change: what was loaded under an older one is void. */
  accessVersion: number;
  /** When a role or a care-team period begins or ends next: what was loaded is void from then on. */
  changesAt: Date | null;
}

const earliest = (times: readonly (Date | null)[]): Date | null =>
  times.reduce((first, time) => (first === null || (time !== null && time < first) ? time : first), null);

/** Who an account stands for: everything that policies look at, in one look at the database. */
@Injectable()
export class People {
  /** Says nothing of whether the account may sign in. Throws when there is no such account. */
  async loadPerson(db: Pick<Db, 'query'>, accountId: string, now: Date): Promise<LoadedPerson> {
    const [row] = await db.query<ActorRow>('SELECT * FROM users.actor($1, $2)', [accountId, now], 'users_actor');
    if (!row) throw new Error('a session without an account');
    const grants = row.roles.includes('proxy')
      ? await db.query<ProxyRow>('SELECT * FROM users.proxied($1, $2)', [accountId, now], 'users_proxied')
      : [];
    return {
      person: {
        id: accountId,
        roles: new Set(row.roles),
        patientIds: row.patient_ids,
        practitionerId: row.practitioner_id,
        panel: new Set(row.panel),
        proxied: new Map(grants.filter((grant) => grant.is_now).map((grant) => [grant.patient_id, grant.open_labels])),
        source: row.source,
      },
      accessVersion: Number(row.access_version),
      changesAt: earliest([row.changes_at, ...grants.map((grant) => grant.changes_at)]),
    };
  }
}
