import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { may, Policy, PolicyError } from '../access/ability.js';
import type { SignedIn } from '../access/context.js';
import { accessible, Params } from './accessible.js';

const ctxOf = (define: (policy: Policy) => void): SignedIn => {
  const policy = new Policy();
  define(policy);
  return { actor: { ability: policy.build() } } as unknown as SignedIn;
};

const sqlOf = (define: (policy: Policy) => void, known?: { patientId: string }) => {
  const params = new Params();
  return {
    sql: accessible(ctxOf(define), 'read', 'Record', { columns: { patientId: 'r.patient_id' }, known }, params),
    values: params.values,
  };
};

describe('accessible', () => {
  it('lets nothing through without a rule', () => {
    expect(sqlOf(() => undefined).sql).toBe('false');
  });

  it('turns conditions into parameters, never into text', () => {
    const hostile = "x') OR true --";
    const { sql, values } = sqlOf((policy) => policy.allow('read', 'Record', { patientId: { $in: [hostile] } }));
    expect(sql).not.toContain(hostile);
    expect(values).toEqual([[hostile]]);
  });

  it('decides conditions on what the statement pins down anyway', () => {
    const own = (policy: Policy) => policy.allow('read', 'Record', { patientId: { $in: ['a', 'b'] } });
    expect(sqlOf(own, { patientId: 'a' })).toEqual({ sql: 'true', values: [] });
    expect(sqlOf(own, { patientId: 'c' })).toEqual({ sql: 'false', values: [] });
  });

  it('lets everything through only where a rule without a condition says so', () => {
    expect(sqlOf((policy) => policy.allow('read', 'Record')).sql).toBe('true');
  });

  it('agrees with the check in memory for any rules', () => {
    const ids = fc.constantFrom('a', 'b', 'c', 'd');
    const rule = fc.record({
      allow: fc.boolean(),
      ids: fc.array(ids, { minLength: 1, maxLength: 3 }),
      single: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 6 }), ids, (rules, patientId) => {
        const define = (policy: Policy) => {
          for (const one of rules) {
            const condition = one.single ? { patientId: one.ids[0]! } : { patientId: { $in: one.ids } };
            if (one.allow) policy.allow('read', 'Record', condition);
            else policy.forbid('read', 'Record', condition);
          }
        };
        const inMemory = may(ctxOf(define).actor.ability, 'read', 'Record', { patientId });
        // The condition is decided by JavaScript in place of SQL: the only operators are AND, OR, NOT, true and false.
        const sql = sqlOf(define, { patientId })
          .sql.replaceAll('AND', '&&')
          .replaceAll('OR', '||')
          .replaceAll('NOT', '!');
        expect(/^[()!&| a-z]+$/.test(sql)).toBe(true);
        // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the text is checked above to hold nothing but Boolean words
        expect(new Function(`return ${sql}`)()).toBe(inMemory);
      }),
      { seed: 7, numRuns: 2_000 },
    );
  });
});

describe('Policy', () => {
  it.each([
    ['an undefined condition', (policy: Policy) => policy.allow('read', 'Record', { patientId: undefined })],
    [
      'an undefined value in a list',
      (policy: Policy) => policy.allow('read', 'Record', { patientId: { $in: [undefined as never] } }),
    ],
    ['an empty condition', (policy: Policy) => policy.allow('read', 'Record', {})],
    ['manage', (policy: Policy) => policy.allow('manage' as never, 'Record')],
    ['all', (policy: Policy) => policy.allow('read', 'all' as never)],
  ])('refuses %s', (_what, define) => {
    expect(() => define(new Policy())).toThrow(PolicyError);
  });

  it('applies prohibitions whatever the order in which rules were said', () => {
    const policy = new Policy().forbid('read', 'Record', { patientId: 'a' }).allow('read', 'Record');
    expect(may(policy.build(), 'read', 'Record', { patientId: 'a' })).toBe(false);
    expect(may(policy.build(), 'read', 'Record', { patientId: 'b' })).toBe(true);
  });
});
