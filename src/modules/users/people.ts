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

export interface LoadedPerson {
  person: Person;
  /** Moves whenever roles, charts or care teams of the account change: what was loaded under an older one is void. */
  accessVersion: number;
  /** When a role or a care-team period begins or ends next: what was loaded is void from then on. */
  changesAt: Date | null;
}

/** Who an account stands for: everything that policies look at, in one look at the database. */
@Injectable()
export class People {
  /** Says nothing of whether the account may sign in. Throws when there is no such account. */
  async loadPerson(db: Pick<Db, 'query'>, accountId: string, now: Date): Promise<LoadedPerson> {
    const [row] = await db.query<ActorRow>('SELECT * FROM users.actor($1, $2)', [accountId, now], 'users_actor');
    if (!row) throw new Error('a session without an account');
    return {
      person: {
        id: accountId,
        roles: new Set(row.roles),
        patientIds: row.patient_ids,
        practitionerId: row.practitioner_id,
        panel: new Set(row.panel),
        source: row.source,
      },
      accessVersion: Number(row.access_version),
      changesAt: row.changes_at,
    };
  }
}
