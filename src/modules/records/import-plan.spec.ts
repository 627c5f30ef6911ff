import { describe, expect, it } from '@jest/globals';
import type { BusinessIdentifier } from '../../fhir/index.js';
import type { Candidate } from './import-candidates.js';
import { decide, feedPatient, type Incoming, type KnownRecord } from './import-plan.js';

const mac = (name: string): Buffer => Buffer.from(name);
const incoming = (content: string, more: Partial<Incoming> = {}): Incoming => ({
  patientId: 'p',
  macs: [mac(content)],
  lastUpdated: undefined,
  isShared: false,
  withdraws: null,
  ...more,
});
const known = (content: string, at?: string, version = 1): KnownRecord => ({
  recordId: 'r',
  patientId: 'p',
  version,
  contentMac: mac(content),
  sourceUpdatedAt: at ?? null,
  status: 'final',
  isDeleted: false,
  namedPatientId: 'p',
  codes: [],
});

const [MAY, JUNE] = ['2024-05-01T00:00:00.000Z', '2024-06-01T00:00:00.000Z'];

describe('decide', () => {
  it('creates what is not known', () => {
    expect(decide(incoming('a'), undefined, [])).toEqual({ action: 'create' });
  });

  it('leaves what is the same, also when its MAC is of a retired key', () => {
    expect(decide(incoming('a'), known('a'), [])).toEqual({ action: 'unchanged' });
    expect(decide(incoming('x', { macs: [mac('new key'), mac('old key')] }), known('old key'), [])).toEqual({
      action: 'unchanged',
    });
  });

  it('makes no version of the same text, also when its patient has come meanwhile', () => {
    expect(decide(incoming('a'), { ...known('a'), patientId: null }, [])).toEqual({ action: 'unchanged' });
  });

  it("follows the sender's clock", () => {
    expect(decide(incoming('b', { lastUpdated: JUNE }), known('a', MAY), [])).toEqual({
      action: 'update',
      version: 2,
      sameClock: false,
    });
    expect(decide(incoming('b', { lastUpdated: MAY }), known('a', JUNE), [])).toEqual({
      action: 'late',
      version: 2,
      isWithdrawn: false,
    });
    expect(
      decide(incoming('b', { lastUpdated: MAY }), known('a', JUNE), [{ version: 2, contentMac: mac('b') }]),
    ).toEqual({ action: 'unchanged' });
    expect(decide(incoming('b', { lastUpdated: MAY }), known('a', MAY), [])).toEqual({
      action: 'update',
      version: 2,
      sameClock: true,
    });
  });

  it('tells apart what its clock tells apart, below the millisecond too', () => {
    const at = (micros: string) => `2024-05-01T00:00:00.000${micros}Z`;
    const answer = (lastUpdated: string, before: string) =>
      decide(incoming('b', { lastUpdated }), known('a', before), []);
    expect(answer(at('9'), at('500'))).toMatchObject({ action: 'update', sameClock: false });
    expect(answer(at('500'), at('900'))).toMatchObject({ action: 'late' });
    expect(answer(at(''), at('001'))).toMatchObject({ action: 'late' });
    expect(answer(at('500'), at('500'))).toMatchObject({ action: 'update', sameClock: true });
    expect(answer(at(''), at('000'))).toMatchObject({ action: 'update', sameClock: true });
  });

  it('numbers a version after all that there are, late ones included', () => {
    expect(
      decide(incoming('c', { lastUpdated: JUNE }), known('a', MAY, 1), [{ version: 2, contentMac: mac('late') }]),
    ).toMatchObject({ version: 3 });
  });

  it('without clocks takes the last received, but for a directory entry that was seen before', () => {
    const history = [{ version: 1, contentMac: mac('a') }];
    expect(decide(incoming('a'), known('b', undefined, 2), history)).toMatchObject({ action: 'update', version: 3 });
    expect(decide(incoming('a', { isShared: true }), known('b', undefined, 2), history)).toEqual({
      action: 'unchanged',
    });
    expect(decide(incoming('c', { isShared: true }), known('b', undefined, 2), history)).toMatchObject({
      action: 'update',
    });
  });
});

describe('what was withdrawn', () => {
  const gone = (at?: string): KnownRecord => ({ ...known('gone', at, 2), isDeleted: true });
  const wrong = (at?: string): KnownRecord => ({ ...known('wrong', at, 2), status: 'entered-in-error' });
  const LATE = { action: 'late', version: 3, isWithdrawn: true };

  it.each([
    ['deleted', gone],
    ['entered in error', wrong],
  ])('%s, does not come back with an older version, one as old, or one that does not say how old it is', (_, dead) => {
    expect(decide(incoming('old', { lastUpdated: MAY }), dead(JUNE), [])).toEqual(LATE);
    expect(decide(incoming('old', { lastUpdated: JUNE }), dead(JUNE), [])).toEqual(LATE);
    expect(decide(incoming('old'), dead(JUNE), [])).toEqual(LATE);
    expect(decide(incoming('old', { lastUpdated: MAY }), dead(), [])).toEqual(LATE);
    expect(decide(incoming('old'), dead(), [{ version: 1, contentMac: mac('old') }])).toEqual({ action: 'unchanged' });
    expect(decide(incoming('new', { lastUpdated: JUNE }), dead(MAY), [])).toMatchObject({ action: 'update' });
  });

  it('stays withdrawn by whatever takes more back, when both are as old', () => {
    const error = incoming('wrong', { lastUpdated: JUNE, withdraws: 'entered-in-error' });
    const deletion = incoming('gone', { lastUpdated: JUNE, withdraws: 'deletion' });
    expect(decide(error, gone(JUNE), [])).toEqual(LATE);
    expect(decide(deletion, wrong(JUNE), [])).toMatchObject({ action: 'update', sameClock: true });
    expect(decide(deletion, known('a', JUNE), [])).toMatchObject({ action: 'update', version: 2 });
    expect(decide(deletion, undefined, [])).toEqual({ action: 'create' });
  });

  it('is deleted once, also when the deletion does not say when', () => {
    const deletion = incoming('gone again', { withdraws: 'deletion' });
    expect(decide(deletion, gone(MAY), [])).toEqual({ action: 'unchanged' });
    expect(decide(deletion, known('a', JUNE), [])).toMatchObject({ action: 'update' });
    const older = incoming('gone once', { withdraws: 'deletion', lastUpdated: MAY });
    expect(decide(older, known('a', JUNE), [])).toEqual({ action: 'late', version: 2, isWithdrawn: false });
  });
});

describe('feedPatient', () => {
  const HOSPITAL = 'https://hospital.test/mrn';
  const identifier = (value: string, more: Partial<BusinessIdentifier> = {}): BusinessIdentifier => ({
    value,
    system: 'urn:other',
    types: ['MR'],
    isMrn: true,
    ...more,
  });
  const patient = (...identifiers: BusinessIdentifier[]) =>
    ({
      sourceId: 'id-1',
      identifiers,
      demographics: { given: ['Ann'], birthDate: '1980-05', sex: 'female' },
    }) as unknown as Candidate;
  const mrnOf = (...identifiers: BusinessIdentifier[]) => {
    const { mrnSystem, mrn } = feedPatient(patient(...identifiers), 'https://feed.test', HOSPITAL);
    return [mrnSystem, mrn];
  };

  it("goes by the hospital's own number first, then by any with a system, then by the feed's id", () => {
    expect(mrnOf(identifier('1'), identifier('2', { system: HOSPITAL }))).toEqual([HOSPITAL, '2']);
    expect(mrnOf(identifier('1', { system: undefined }), identifier('2'))).toEqual(['urn:other', '2']);
    expect(mrnOf()).toEqual(['https://feed.test', 'id-1']);
  });

  it('passes over what is no record number, and what is old', () => {
    expect(mrnOf(identifier('999-99-9999', { isMrn: false, types: ['SS'] }), identifier('1', { use: 'old' }))).toEqual([
      'https://feed.test',
      'id-1',
    ]);
  });

  it('keeps a partial birth date and drops what a chart cannot hold', () => {
    expect(feedPatient(patient(), 's', HOSPITAL)).toMatchObject({
      family: '',
      given: ['Ann'],
      birthDate: '1980-05',
      sex: 'female',
    });
    const odd = {
      ...patient(),
      demographics: { given: [], birthDate: 'long ago', sex: 'frog' },
    } as unknown as Candidate;
    expect(feedPatient(odd, 's', HOSPITAL)).toMatchObject({ birthDate: null, sex: 'unknown' });
  });
});
