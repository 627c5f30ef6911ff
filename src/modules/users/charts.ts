import { Injectable } from '@nestjs/common';
import { newId } from '../../platform/ids.js';
import type { Ctx } from '../../platform/access/context.js';

/** What a feed says of a patient. `birthDate` is a FHIR date: YYYY, YYYY-MM or YYYY-MM-DD. */
export interface FeedPatient {
  mrnSystem: string;
  mrn: string;
  family: string;
  given: readonly string[];
  birthDate: string | null;
  sex: 'female' | 'male' | 'other' | 'unknown';
}

export type RegisteredPatient = Pick<FeedPatient, 'family' | 'given' | 'birthDate' | 'sex'>;

export interface FeedChart {
  patientId: string;
  isNew: boolean;
}

/** Charts as the EHR feed opens them. The database refuses it to whoever is no integration account. */
@Injectable()
export class Charts {
  /** The chart with this medical record number, opened if there is none; its demographics become what the feed says. */
  async ofFeed(ctx: Pick<Ctx, 'db' | 'now'>, patient: FeedPatient): Promise<FeedChart> {
    return (await this.allOfFeed(ctx, [patient]))[0]!;
  }

  /** As the hospital registered the patient; null where row policies do not let the account see it. */
  async registered(ctx: Pick<Ctx, 'db'>, patientId: string): Promise<RegisteredPatient | null> {
    const [row] = await ctx.db.query<RegisteredPatient>(
      'SELECT family, given, birth_date AS "birthDate", sex FROM users.patient WHERE patient_id = $1',
      [patientId],
      'users_registered',
    );
    return row ?? null;
  }

  /** As {@link ofFeed}, for many in one statement; answers in the order given. */
  async allOfFeed(ctx: Pick<Ctx, 'db' | 'now'>, patients: readonly FeedPatient[]): Promise<FeedChart[]> {
    if (patients.length === 0) return [];
    // Two imports that take charts in the same order wait for each other; in different orders they would deadlock.
    const asked = patients
      .map((patient, n) => ({
        n,
        key: `${patient.mrn}\n${patient.mrnSystem}`,
        row: { n, new_id: newId(), ...fieldsOf(patient) },
      }))
      .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.n - b.n));
    const rows = await ctx.db.query<{ n: number; patient_id: string; is_new: boolean }>(
      `SELECT asked.n, chart.patient_id, chart.is_new
         FROM jsonb_to_recordset($1::jsonb) AS asked(
                n integer, new_id uuid, mrn_system text, mrn text, family text, given text[], birth_date text, sex text),
              LATERAL users.chart_of_feed(asked.new_id, asked.mrn_system, asked.mrn, asked.family, asked.given, asked.birth_date, asked.sex, $2) AS chart`,
      [JSON.stringify(asked.map(({ row }) => row)), ctx.now],
    );
    const found = new Array<FeedChart>(patients.length);
    for (const row of rows) found[row.n] = { patientId: row.patient_id, isNew: row.is_new };
    return found;
  }
}

const fieldsOf = ({ mrnSystem, mrn, family, given, birthDate, sex }: FeedPatient) => ({
  mrn_system: mrnSystem,
  mrn,
  family,
  given,
  birth_date: birthDate,
  sex,
});
