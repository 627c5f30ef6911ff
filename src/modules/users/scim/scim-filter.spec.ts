import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Params } from '../../../platform/database/accessible.js';
import { Problem } from '../../../platform/http/problem.js';
import { filterToSql, type Columns } from './scim-filter.js';
import { patched, type Profile } from './scim-user.rules.js';
import { PATCH_SCHEMA, USER } from './scim.schemas.js';

const COLUMNS: Columns = {
  username: { kind: 'text', sql: 'a.username_key' },
  externalid: { kind: 'exact', sql: 'd.external_id' },
  active: { kind: 'flag', sql: 'a.active' },
  id: { kind: 'id', sql: 'a.account_id' },
  'emails.value': { kind: 'text', sql: 'a.email' },
  'meta.created': { kind: 'time', sql: 'a.created_at' },
};

const sqlOf = (filter: string): [string, unknown[]] => {
  const params = new Params();
  return [filterToSql(filter, USER, COLUMNS, params), params.values];
};

describe('a filter in SQL', () => {
  it('has its values as parameters and NOT over what may be unknown', () => {
    expect(sqlOf('externalId eq "a" and not (emails[value sw "b"] or active eq false)')).toEqual([
      `((d.external_id = $1::text) AND (NOT coalesce((((starts_with(lower(a.email), lower($2::text)))) OR (a.active = false)), false)))`,
      ['a', 'b'],
    ]);
  });

  // Everything that may stand in the text: our columns and functions, and places of parameters; no literal of the sender.
  const OURS =
    /^(?:[()\s=<>,]|\$\d+|::(?:text|uuid|timestamptz)|a\.\w+|d\.external_id|AND|OR|NOT|IS|DISTINCT|FROM|NULL|COLLATE|"C"|lower|strpos|starts_with|right|length|coalesce|true|false|0)*$/;
  const words = fc.constantFrom(
    ...['userName', 'externalId', 'emails', 'emails.value', 'active', 'id', 'meta.created', 'roles', '__proto__'],
    ...['eq', 'ne', 'co', 'sw', 'ew', 'gt', 'ge', 'lt', 'le', 'pr', 'and', 'or', 'not', '(', ')', '[', ']', '].value'],
    ...[
      'true',
      'false',
      'null',
      '7',
      '"x"',
      '"2026-01-01T00:00:00Z"',
      `"'; DROP TABLE x; --"`,
      '"\\u0027"',
      '"\\""',
      "'",
    ],
  );

  it('is 400, or nothing but our own words, whatever is sent', () => {
    const texts = fc.oneof(
      fc.array(words, { maxLength: 14 }).map((parts) => parts.join(' ')),
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc.string({ maxLength: 20 }).map((value) => `userName eq ${JSON.stringify(value)}`),
    );
    let good = 0;
    fc.assert(
      fc.property(texts, (text) => {
        try {
          const [sql, values] = sqlOf(text);
          good++;
          expect(sql).toMatch(OURS);
          expect(sql.match(/\$\d+/g)?.length ?? 0).toBeGreaterThanOrEqual(values.length);
          expect(values.every((value) => typeof value !== 'string' || !value.includes('\u0000'))).toBe(true);
        } catch (error) {
          if (!(error instanceof Problem)) throw error;
          expect([error.status, error.code]).toEqual([400, 'scim.invalid-filter']);
        }
      }),
      { seed: 20261122, numRuns: 5_000 },
    );
    expect(good).toBeGreaterThan(300);
  });
});

describe('a PATCH of a user', () => {
  const profile: Profile = {
    username: 'anna',
    externalId: null,
    displayName: 'Anna',
    familyName: 'A',
    givenName: null,
    title: null,
    email: 'a@h.test',
    isActive: true,
  };
  const path = fc.constantFrom(
    ...[
      'userName',
      'name',
      'name.givenName',
      'active',
      'emails',
      'emails[type eq "work"]',
      'emails[type eq "work"].value',
    ],
    ...['emails[primary eq true].type', 'emails.value', 'title', 'password', 'roles', 'id', '__proto__', '__proto__.x'],
    ...['constructor.prototype.x', 'emails[__proto__ pr]', 'name.__proto__', 'toString', ''],
  );
  const value: fc.Arbitrary<unknown> = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.dictionary(path, fc.jsonValue({ maxDepth: 1 }), { maxKeys: 3 }),
  );
  const operation = fc.record(
    { op: fc.constantFrom('add', 'Replace', 'REMOVE', 'move'), path, value },
    { requiredKeys: ['op'] },
  );

  it('gives known attributes or 400, and touches no prototype, whatever is sent', () => {
    const prototype = JSON.stringify(Object.getOwnPropertyNames(Object.prototype).sort());
    let good = 0;
    fc.assert(
      fc.property(fc.array(operation, { minLength: 1, maxLength: 4 }), (operations) => {
        try {
          const result = patched(profile, { schemas: [PATCH_SCHEMA], Operations: operations }, 'own');
          good++;
          const known = ['userName', 'externalId', 'displayName', 'title', 'name', 'active', 'emails'];
          expect(Object.keys(result).filter((key) => !known.includes(key))).toEqual([]);
        } catch (error) {
          if (!(error instanceof Problem)) throw error;
          expect([error.status, error.code.startsWith('scim.')]).toEqual([400, true]);
        }
        expect(JSON.stringify(Object.getOwnPropertyNames(Object.prototype).sort())).toBe(prototype);
      }),
      { seed: 20261122, numRuns: 5_000 },
    );
    expect(good).toBeGreaterThan(300);
  });
});
