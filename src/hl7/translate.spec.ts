import { describe, expect, it } from '@jest/globals';
import { inspect } from '../fhir/index.js';
import { Hl7Fault, readMessage, translate, type Hl7Sender } from './index.js';

const SENDER: Hl7Sender = {
  source: 'https://lab.test',
  systems: { MAIN: 'https://hospital.example.org/mrn' },
  timeZone: 'Europe/Berlin',
  processingIds: ['P'],
};
const MRN = 'https://hospital.example.org/mrn';

const HEAD = (type: string, more = '') =>
  `MSH|^~\\&|APP|FAC|PORTAL|HOSP|20240301100000+0100||${type}|M1|P|2.5.1${more}`;
const PID = 'PID|1||123^^^MAIN^MR||Núñez^Ana^María^^Dr.||19800517|F';
const OBR = 'OBR|1|P1|F1^LAB|24323-8^Panel^LN|||20240301080000+0100|||||||||||||||20240301095900+0100|||F';

interface Resource extends Record<string, unknown> {
  resourceType: string;
  id: string;
}

const translated = (...segments: string[]) => translate(readMessage(segments.join('\r')), SENDER, MRN);
/** The texts as they would be stored; each is good R4. */
function texts(...segments: string[]): string[] {
  const { records } = translated(...segments);
  for (const { text } of records)
    expect(inspect(text).findings.filter(({ severity }) => severity === 'error')).toEqual([]);
  return records.map(({ text }) => text);
}
const all = (...segments: string[]): Resource[] => texts(...segments).map((text) => JSON.parse(text) as Resource);
const observations = (...obx: string[]): Resource[] =>
  all(HEAD('ORU^R01'), PID, OBR, ...obx).filter(({ resourceType }) => resourceType === 'Observation');
const fault = (...segments: string[]): [string, string, number | undefined, boolean] => {
  try {
    translated(...segments);
  } catch (error) {
    if (error instanceof Hl7Fault) return [error.code, error.error, error.place.field, error.isReject];
    throw error;
  }
  throw new Error('nothing was wrong with it');
};

describe('results of ORU^R01', () => {
  it('keep the digits of a number, its unit, range and flags, as they were sent', () => {
    const obx = 'OBX|1|NM|2345-7^Glucose^LN||0005.10|mmol/L^^UCUM|3.90-6.10|HH~A|||F|||20240301081500+0100';
    const text = texts(HEAD('ORU^R01'), PID, OBR, obx).find((one) => one.includes('"Observation"'))!;
    expect(text).toContain(
      '"valueQuantity":{"value":5.10,"unit":"mmol/L","system":"http://unitsofmeasure.org","code":"mmol/L"}',
    );
    expect(text).toContain('"low":{"value":3.90,"unit":"mmol/L"');
    expect(text).toContain('"text":"3.90-6.10"');
    expect(JSON.parse(text)).toMatchObject({
      status: 'final',
      effectiveDateTime: '2024-03-01T08:15:00+01:00',
      meta: { lastUpdated: '2024-03-01T10:00:00+01:00' },
      category: [{ coding: [{ code: 'laboratory' }] }],
      interpretation: [{ coding: [{ code: 'HH' }] }, { coding: [{ code: 'A' }] }],
    });
  });

  it.each([
    ['NM', '<5', { valueQuantity: { value: 5, comparator: '<' } }],
    ['NM', '-.50', { valueQuantity: { value: -0.5 } }],
    ['NM', 'see note', { valueString: 'see note' }],
    ['SN', '<^5', { valueQuantity: { value: 5, comparator: '<' } }],
    ['SN', '^5', { valueQuantity: { value: 5 } }],
    ['SN', '^1^:^128', { valueRatio: { numerator: { value: 1 }, denominator: { value: 128 } } }],
    ['SN', '^1^-^10', { valueRange: { low: { value: 1 }, high: { value: 10 } } }],
    ['SN', '^2^+', { valueString: '2 +' }],
    ['SN', '^10^-^5', { valueString: '10 - 5' }],
    [
      'CWE',
      '260385009^Negative^SCT',
      {
        valueCodeableConcept: {
          coding: [{ system: 'http://snomed.info/sct', code: '260385009', display: 'Negative' }],
        },
      },
    ],
    ['CE', 'X1^Odd^99LAB', { valueCodeableConcept: { coding: [{ system: 'https://lab.test#99LAB', code: 'X1' }] } }],
    ['ST', 'a^b & c', { valueString: 'a^b & c' }],
    ['FT', 'one\\.br\\two \\T\\ \\H\\three\\N\\', { valueString: 'one\ntwo & three' }],
    ['TX', 'one~two', { valueString: 'one\ntwo' }],
    ['DT', '202403', { valueDateTime: '2024-03' }],
    ['TM', '1030', { valueTime: '10:30:00' }],
    ['TS', '20240301', { valueDateTime: '2024-03-01' }],
    ['DTM', '20240701103000', { valueDateTime: '2024-07-01T10:30:00+01:00' }],
    ['ST', '""', { dataAbsentReason: { coding: [{ code: 'unknown' }] } }],
  ])('of type %s with %s become %j', (type, value, expected) => {
    expect(observations(`OBX|1|${type}|X^Something||${value}||||||F`)).toMatchObject([expected]);
  });

  it.each([
    ['P', 'preliminary'],
    ['F', 'final'],
    ['C', 'corrected'],
    ['X', 'cancelled'],
    ['D', 'entered-in-error'],
    ['W', 'entered-in-error'],
  ])('with status %s are %s', (code, status) => {
    expect(observations(`OBX|1|NM|X^Something||1||||||${code}`)).toMatchObject([{ status }]);
  });

  it('without a value say why, and a final status without the value is refused', () => {
    expect(observations('OBX|1|NM|X^Something||||||||I')).toMatchObject([
      { dataAbsentReason: { coding: [{ code: 'temp-unknown' }] } },
    ]);
    expect(fault(HEAD('ORU^R01'), PID, OBR, 'OBX|1|NM|X^Something||||||||U')[0]).toBe('value-elsewhere');
    expect(fault(HEAD('ORU^R01'), PID, OBR, 'OBX|1|NM|X^Something||1||||||Q').slice(0, 3)).toEqual([
      'status',
      '103',
      11,
    ]);
  });

  it('in several segments are one text, or results of their own', () => {
    const lines = [
      'OBX|1|TX|X^Text||one||||||F',
      'OBX|2|TX|X^Text||two||||||F',
      'NTE|1||a note',
      'OBX|3|NM|Y^N||1||||||F',
      'OBX|4|NM|Y^N||2||||||F',
    ];
    const found = observations(...lines);
    expect(found).toMatchObject([
      { valueString: 'one\ntwo', note: [{ text: 'a note' }] },
      { valueQuantity: { value: 1 } },
      { valueQuantity: { value: 2 } },
    ]);
    expect(new Set(found.map(({ id }) => id)).size).toBe(3);
    expect(observations(...lines).map(({ id }) => id)).toEqual(found.map(({ id }) => id));
  });

  it('that are files hang on their report, decoded or refused', () => {
    const [, report] = all(HEAD('ORU^R01'), PID, OBR, 'OBX|1|ED|PDF^Report||^application^pdf^Base64^JVBERi0=||||||F');
    expect(report).toMatchObject({
      presentedForm: [{ contentType: 'application/pdf', data: 'JVBERi0=', title: 'Report' }],
    });
    const [, untyped] = all(HEAD('ORU^R01'), PID, OBR, 'OBX|1|ED|PDF^Report||^^^Base64^JVBERi0=||||||F');
    expect(untyped).toMatchObject({ presentedForm: [{ contentType: 'application/octet-stream', data: 'JVBERi0=' }] });
    expect(fault(HEAD('ORU^R01'), PID, OBR, 'OBX|1|ED|PDF||^AP^PDF^Base64^no base 64!||||||F').slice(0, 3)).toEqual([
      'encoding',
      '102',
      5,
    ]);
    const [, pointed] = all(HEAD('ORU^R01'), PID, OBR, 'OBX|1|RP|PDF^Report||javascript:alert(1)^App^AP^PDF||||||F');
    expect(JSON.stringify(pointed)).not.toContain('javascript');
  });

  it('of an order without a number, or of nobody, are refused', () => {
    expect(fault(HEAD('ORU^R01'), PID, 'OBR|1|||X').slice(0, 3)).toEqual(['order-number', '101', 3]);
    expect(fault(HEAD('ORU^R01'), OBR)[0]).toBe('missing-segment');
    expect(fault(HEAD('ORU^R01'), 'PID|1||||Feed^Fee', OBR).slice(0, 3)).toEqual(['patient-number', '101', 3]);
    expect(fault(HEAD('ORU^R01'), 'PID|1||999^^^SOC^SS||Feed^Fee', OBR)[0]).toBe('patient-number');
    expect(fault(HEAD('ORU^R01'), PID, OBR, 'OBX|1|DT|X^S||20240230||||||F|||20240230')[0]).toBe('time');
  });
});

describe('a patient', () => {
  it('is known by their medical record number and its authority, whatever else is said of them', () => {
    const [ana] = all(HEAD('ADT^A31'), PID);
    expect(ana).toMatchObject({
      identifier: [{ system: MRN, value: '123', type: { coding: [{ code: 'MR' }] } }],
      name: [{ use: 'official', family: 'Núñez', given: ['Ana', 'María'], prefix: ['Dr.'] }],
      birthDate: '1980-05-17',
      gender: 'female',
    });
    expect(all(HEAD('ADT^A31'), 'PID|1||77^^^X^AN~123^^^MAIN^MR||Other^Name||1980')[0]).toMatchObject({
      id: ana!.id,
      birthDate: '1980',
    });
    expect(all(HEAD('ADT^A31'), 'PID|1||123^^^OTHER^MR||Núñez^Ana||19800517|F')[0]!.id).not.toBe(ana!.id);
  });

  it('is shown where an A40 says that they are somebody else, each pair by itself', () => {
    const { records, priors, merges } = translated(
      HEAD('ADT^A40'),
      PID,
      'MRG|9^^^MAIN^MR',
      'PID|2||124^^^MAIN^MR||B^C',
      'MRG|8^^^MAIN^MR',
    );
    expect([records.length, priors.length]).toEqual([2, 2]);
    expect(merges.map(({ line }) => line)).toEqual([3, 5]);
    expect(fault(HEAD('ADT^A40'), PID, 'MRG|123^^^MAIN^MR')[0]).toBe('same-patient');
    expect(fault(HEAD('ADT^A40'), PID)[0]).toBe('missing-segment');
  });

  it('cannot be joined by a second one that somebody wrote into a text', () => {
    expect(fault(HEAD('ORU^R01'), PID, OBR, 'PID|2||666^^^MAIN^MR||X^Y', OBR)[0]).toBe('second-patient');
    const [, , observation] = all(
      HEAD('ORU^R01'),
      PID,
      OBR,
      'OBX|1|TX|X^Text||hello\nPID|1||666^^^MAIN^MR||Victim^Vic||||||F',
    );
    expect(observation).toMatchObject({ valueString: 'hello\nPID' });
  });
});

describe('documents of MDM', () => {
  const TXA = 'TXA|1|DS|TX|20240301090000+0100|||||9^Welby^Marcus|||D1^LAB|D0^LAB||||AU|R|AV';
  it('have their texts and files, their confidentiality, and what they replace', () => {
    const [, document] = all(
      HEAD('MDM^T10'),
      PID,
      TXA,
      'OBX|1|TX|T^Text||line one||||||F',
      'OBX|2|ED|P^Scan||^IM^JPEG^Base64^/9j/||||||F',
    );
    expect(document).toMatchObject({
      resourceType: 'DocumentReference',
      status: 'current',
      docStatus: 'final',
      meta: { security: [{ code: 'R' }] },
      relatesTo: [{ code: 'replaces' }],
      content: [
        { attachment: { data: Buffer.from('line one').toString('base64') } },
        { attachment: { contentType: 'image/jpeg', data: '/9j/' } },
      ],
    });
    expect(fault(HEAD('MDM^T02'), PID, 'TXA|1|DS|TX')[0]).toBe('missing-field');
  });
});

describe('times', () => {
  it.each([
    ['20240301', '2024-03-01'],
    ['202403', '2024-03'],
    ['2024', '2024'],
    ['202403011015', '2024-03-01T10:15:00+01:00'],
    ['20240301101530.250-0500', '2024-03-01T10:15:30.250-05:00'],
  ])('%s is %s', (sent, time) => {
    const found = translate(
      readMessage([HEAD('ADT^A31'), `${PID}|||||||||||||||||||||${sent}`].join('\r')),
      SENDER,
      MRN,
    );
    expect((JSON.parse(found.records[0]!.text) as { deceasedDateTime: string }).deceasedDateTime).toBe(time);
  });

  it('without a zone, in a message without one, are told by the clock of the place, in summer and winter', () => {
    const head = 'MSH|^~\\&|APP|FAC|||20240701120000||ADT^A31|M1|P|2.3';
    const { sentAt } = translate(readMessage([head, PID].join('\r')), SENDER, MRN);
    expect(sentAt).toBe('2024-07-01T12:00:00+02:00');
    const winter = translate(readMessage([head.replace('20240701', '20240101'), PID].join('\r')), SENDER, MRN);
    expect(winter.sentAt).toBe('2024-01-01T12:00:00+01:00');
  });
});
