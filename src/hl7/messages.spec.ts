import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { inspect } from '../fhir/index.js';
import { decode, Hl7Fault, messagesOf, readMessage, translate, type Hl7Sender } from './index.js';

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

const translated = (...segments: string[]) => translate(readMessage(segments.join('\r')), SENDER, MRN);

const fault = (...segments: string[]): [string, string, number | undefined, boolean] => {
  try {
    translated(...segments);
  } catch (error) {
    if (error instanceof Hl7Fault) return [error.code, error.error, error.place.field, error.isReject];
    throw error;
  }
  throw new Error('nothing was wrong with it');
};

describe('what is no message, or none for us', () => {
  it.each([
    ['VXU^V04', 'message-type', '200'],
    ['ADT^A99', 'event', '201'],
  ])('of type %s is refused as %s', (type, code, error) => {
    expect(fault(HEAD(type), PID)).toMatchObject([code, error, 9, true]);
  });

  it('is refused by its processing id, version and id', () => {
    const head = (id: string, processing: string, version: string) =>
      `MSH|^~\\&|APP|FAC|||20240301||ADT^A31|${id}|${processing}|${version}`;
    expect(fault(head('M', 'T', '2.5'), PID)[0]).toBe('processing-id');
    expect(fault(head('M', 'P', '3.0'), PID)[0]).toBe('version');
    expect(fault(head('', 'P', '2.5'), PID)[0]).toBe('missing-field');
    expect(fault(head('M'.repeat(200), 'P', '2.5'), PID)[0]).toBe('control-id');
  });

  it.each(['', 'MSH', 'MSH|||||', 'MSH|^~\\^|', 'PID|1', 'MSHabcde', '{"resourceType":"Patient"}'])(
    '%j has no header',
    (text) => {
      expect(() => readMessage(text)).toThrow(Hl7Fault);
    },
  );

  it('has letters that its character set does not have, or control characters', () => {
    const bytes = (text: string, encoding: BufferEncoding) =>
      Buffer.from([HEAD('ADT^A31', text), PID].join('\r'), encoding);
    expect(() => decode(bytes('', 'latin1'), 'ASCII')).toThrow(Hl7Fault);
    expect(decode(bytes('', 'latin1'), '8859/1').text).toContain('Núñez');
    expect(decode(bytes('||||||8859/1', 'latin1'), 'ASCII')).toMatchObject({ charset: '8859/1' });
    expect(decode(bytes('||||||UNICODE UTF-8', 'utf8'), 'ASCII').text).toContain('Núñez');
    expect(() => decode(bytes('||||||UNICODE UTF-8', 'latin1'), 'ASCII')).toThrow(Hl7Fault);
    expect(() => decode(bytes('||||||ISO IR999', 'utf8'), 'ASCII')).toThrow(Hl7Fault);
    expect(() => decode(Buffer.from(`${HEAD('ADT^A31')}\rPID|\u0000`), 'ASCII')).toThrow(Hl7Fault);
  });

  it('is a batch that lost some of its messages', () => {
    const one = `${HEAD('ADT^A31')}\r${PID}\r`;
    expect(messagesOf(`FHS|^~\\&\rBHS|^~\\&\r${one}${one}BTS|2\rFTS|1\r`).messages).toHaveLength(2);
    expect(() => messagesOf(`BHS|^~\\&\r${one}BTS|2\r`)).toThrow(Hl7Fault);
    expect(() => messagesOf(`BHS|^~\\&\r${one}`)).toThrow(Hl7Fault);
    expect(() => messagesOf(`BHS|^~\\&\rPID|1\r${one}BTS|1\r`)).toThrow(Hl7Fault);
  });
});

describe('any text at all', () => {
  const SEGMENTS = [
    'PID',
    'PV1',
    'OBR',
    'OBX',
    'NTE',
    'SPM',
    'TXA',
    'MRG',
    'SCH',
    'AIS',
    'AIL',
    'AIP',
    'TQ1',
    'NK1',
    'EVN',
  ];
  const TYPES = ['ORU^R01', 'ADT^A01', 'ADT^A40', 'MDM^T02', 'SIU^S12'];
  const piece = fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.constantFrom(
      '|',
      '^',
      '~',
      '\\',
      '&',
      '""',
      '\\X00\\',
      '\\X0D\\',
      '123^^^MAIN^MR',
      '20240230',
      '1.50',
      '<5',
      'NM',
      'ED',
      'SN',
      '__proto__',
      'constructor',
    ),
  );
  const field = fc.array(piece, { maxLength: 4 }).map((parts) => parts.join(''));
  const segment = fc
    .tuple(fc.constantFrom(...SEGMENTS), fc.array(field, { maxLength: 40 }))
    .map(([name, fields]) => [name, ...fields].join('|'));
  const ours = fc
    .tuple(fc.constantFrom(...TYPES), fc.array(segment, { maxLength: 12 }))
    .map(([type, segments]) => [HEAD(type), PID, OBR, ...segments].join('\r'));

  /** Taken or clearly refused: nothing else comes out of it. */
  function outcome(text: string): void {
    try {
      const { text: decoded } = decode(Buffer.from(text, 'utf8'), 'UNICODE UTF-8');
      for (const message of messagesOf(decoded).messages)
        for (const { text: record } of translate(readMessage(message), SENDER, MRN).records) JSON.parse(record);
    } catch (error) {
      if (!(error instanceof Hl7Fault)) throw error;
      expect(error.message).not.toBe('');
    }
  }

  it('is taken or refused with words, and nothing else happens', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          ours,
          fc.string({ unit: 'binary', maxLength: 300 }),
          fc.string().map((text) => `MSH${text}`),
        ),
        outcome,
      ),
      { numRuns: 2_000 },
    );
  });

  it('of a message that is taken makes good R4, but for what its sender got wrong', () => {
    const value = fc.stringMatching(/^[ -~]{0,20}$/);
    fc.assert(
      fc.property(
        fc.constantFrom('NM', 'SN', 'ST', 'TX', 'CWE', 'DT', 'TM', 'XX'),
        value,
        value,
        (type, text, unit) => {
          const { records } = translated(
            HEAD('ORU^R01'),
            PID,
            OBR,
            `OBX|1|${type}|X^Something||${text.replaceAll('|', '')}|${unit.replaceAll('|', '')}|||||F`,
          );
          for (const record of records)
            expect(inspect(record.text).findings.filter(({ severity }) => severity === 'error')).toEqual([]);
        },
      ),
      { numRuns: 300 },
    );
  });
});
