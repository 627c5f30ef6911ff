import { algorithms, claimEdges, headers } from './forged-parts.js';
import { encode, type Bench, type Forged } from './forgers-bench.js';

const SEED = 20_261_122;
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** Numbers that are the same in each run (mulberry32). */
function dice(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % sides;
  };
}

function* flips({ token }: Bench): Generator<Forged> {
  for (let at = 0; at < token.length; at++) {
    if (token[at] === '.') continue;
    for (let bit = 0; bit < 6; bit++) {
      const changed = ALPHABET[ALPHABET.indexOf(token[at]!) ^ (1 << bit)]!;
      yield ['a bit', token.slice(0, at) + changed + token.slice(at + 1)];
    }
  }
}

function* edits({ token }: Bench): Generator<Forged> {
  const roll = dice(SEED);
  for (let at = 0; at < token.length; at++) {
    yield ['cut', token.slice(0, at)];
    yield ['a character less', token.slice(0, at) + token.slice(at + 1)];
    yield ['a character more', token.slice(0, at) + ALPHABET[roll(64)]! + token.slice(at)];
    const [one, two] = [token[at]!, token[at + 1] ?? token[at]!];
    if (one !== two) yield ['swapped', token.slice(0, at) + two + one + token.slice(at + 2)];
    const from = roll(token.length);
    const moved = token.slice(0, at) + token.slice(from, from + 1 + roll(30)) + token.slice(at + 1 + roll(30));
    if (moved !== token) yield ['spliced', moved];
  }
}

function* writings({ token, head, body, signature, claims }: Bench): Generator<Forged> {
  const standard = (part: string) => part.replaceAll('-', '+').replaceAll('_', '/');
  for (const tail of [
    '=',
    '==',
    '.',
    '..',
    '.x',
    `.${signature}`,
    ' x',
    ',',
    ';',
    '%00',
    '%20',
    '#',
    '~',
    `${signature}`,
  ])
    yield ['more behind it', token + tail];
  for (const front of ['.', '=', 'x', '%', '"', "'", 'Bearer ', 'Bearer,', `${head}.`])
    yield ['more before it', front + token];
  yield ['base64, not base64url', [head, body, standard(`${signature}`)].join('.') + '='];
  yield ['padded parts', [`${head}=`, `${body}==`, signature].join('.')];
  yield ['percent-encoded', token.replaceAll('.', '%2e')];
  yield ['quoted', `"${token}"`];
  yield ['other case', token.toUpperCase()];
  yield ['other case', token.toLowerCase()];
  for (const parts of [
    [head, body],
    [head],
    [body],
    [head, body, ''],
    ['', body, signature],
    [head, '', signature],
    ['', '', ''],
    [body, head, signature],
    [signature, body, head],
    [head, body, body],
    [head, head, signature],
  ])
    yield ['other parts', parts.join('.')];
  const raw = Buffer.from(signature, 'base64url');
  const [r, s] = [raw.subarray(0, 32), raw.subarray(32)];
  const order = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');
  const number = (bytes: Buffer) => BigInt(`0x${bytes.toString('hex')}`);
  const bytes = (value: bigint) => Buffer.from(value.toString(16).padStart(64, '0'), 'hex');
  const shapes: Record<string, Buffer> = {
    'all zero': Buffer.alloc(64),
    'all one': Buffer.alloc(64, 0xff),
    'r zero': Buffer.concat([Buffer.alloc(32), s]),
    's zero': Buffer.concat([r, Buffer.alloc(32)]),
    's the order': Buffer.concat([r, bytes(order)]),
    'r the order': Buffer.concat([bytes(order), s]),
    'r and s changed over': Buffer.concat([s, r]),
    'r plus one': Buffer.concat([bytes(number(r) + 1n), s]),
    short: raw.subarray(1),
    long: Buffer.concat([raw, Buffer.alloc(1)]),
    empty: Buffer.alloc(1),
    der: Buffer.concat([Buffer.from([0x30, 0x44, 0x02, 0x20]), r, Buffer.from([0x02, 0x20]), s]),
  };
  for (const [name, shape] of Object.entries(shapes))
    yield [`signature ${name}`, `${head}.${body}.${shape.toString('base64url')}`];
  const unpaired = JSON.stringify(claims).replace(String(claims.aud), '\ud800');
  yield ['half a character', `${head}.${encode(unpaired)}.${signature}`];
}

/** Every form of forgery that needs nothing but the bench; none may be taken. */
export const forgeries = (bench: Bench): Forged[] =>
  [flips, edits, algorithms, headers, claimEdges, writings].flatMap((make) => [...make(bench)]);
