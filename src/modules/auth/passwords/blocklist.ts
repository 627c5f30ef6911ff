import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { Injectable } from '@nestjs/common';

const require = createRequire(import.meta.url);

/** Leaked passwords first; then words and names of people, which attackers try as well. JSON lists in lower case, one line each. */
const LISTS = [
  require.resolve('@zxcvbn-ts/language-common/src/passwords.json'),
  require.resolve('@zxcvbn-ts/language-common/src/diceware.json'),
  require.resolve('@zxcvbn-ts/language-en/src/commonWords.json'),
  require.resolve('@zxcvbn-ts/language-en/src/wikipedia.json'),
  require.resolve('@zxcvbn-ts/language-en/src/firstnames.json'),
  require.resolve('@zxcvbn-ts/language-en/src/lastnames.json'),
];

/** Well-known ones that the lists lack. What repeats a word, counts on from it or walks over the keyboard needs no entry. */
const MORE = [
  'correcthorsebatterystaple',
  'thisismypassword',
  'thisisapassword',
  'yourpassword',
  'contraseña',
  'p@ssword',
  'p@$$w0rd',
  ...['spring', 'summer', 'autumn', 'winter'].flatMap((season) =>
    ['2023', '2024', '2025', '2026', '2027'].map((year) => season + year),
  ),
];

/** The longest entry has 26 characters. */
const MOST = 40;

/**
 * Some 180,000 words that are nobody's password (NIST SP 800-63B-4 §3.1.1.2). They stay the bytes of their files, 2.4 MB read
 * when the first password is set, and are searched from end to end in 2 ms: as a Set they would take 40 MB for good.
 */
@Injectable()
export class Blocklist {
  private words: Promise<Buffer> | null = null;

  /** Rejects when the lists cannot be read: no password is set then. */
  async has(word: string): Promise<boolean> {
    if (word.length > MOST) return false;
    this.words ??= read().catch((error: unknown) => {
      this.words = null;
      throw error;
    });
    return (await this.words).includes(JSON.stringify(word));
  }
}

async function read(): Promise<Buffer> {
  const lists = await Promise.all(LISTS.map((file) => readFile(file)));
  return Buffer.concat([...lists, Buffer.from(JSON.stringify(MORE))]);
}
