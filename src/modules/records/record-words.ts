import type { KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { hmac, KeyRing } from '../../platform/crypto/index.js';

const LABEL = 'records/word';
const HEAD = 'portico/record-word/1\0';
const SHORTEST = 3;
const LONGEST = 12;
const MOST_WORDS = 24;
const BYTES = 6;

/**
 * Searching words that lie sealed: of each word of a record's display the column `words` holds keyed codes (48 bits of an
 * HMAC) of the word and of its beginnings. Whoever has the database without the key sees which records share a word, which
 * their codes beside it tell as well, and no word. Words end at {@link LONGEST} letters.
 */
@Injectable()
export class RecordWords {
  private readonly keys: readonly KeyObject[];
  private readonly known = new LRUCache<string, readonly number[]>({ max: 5_000 });

  constructor(ring: KeyRing) {
    this.keys = ring.subkeys(LABEL);
  }

  /** Codes to store with a display. */
  of(display: string): readonly number[] {
    const known = this.known.get(display);
    if (known) return known;
    const beginnings = new Set(wordsIn(display).flatMap(beginningsOf));
    const codes = [...beginnings].map((word) => code(this.keys[0]!, word));
    this.known.set(display, codes);
    return codes;
  }

  /** For each word that is asked for the codes of which a record has one: one for each key that records may lie under. */
  asked(text: string): number[][] {
    return wordsIn(text).map((word) => this.keys.map((key) => code(key, word)));
  }
}

const code = (key: KeyObject, word: string): number => hmac(key, HEAD, word).readUIntBE(0, BYTES);

/** Letters and digits without their marks and case: `Ménière’s` is found as meniere and s. */
export function wordsIn(text: string): string[] {
  const plain = text
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .match(/[\p{L}\p{N}]+/gu);
  const words = (plain ?? []).map((word) => [...word].slice(0, LONGEST).join(''));
  return [...new Set(words)].slice(0, MOST_WORDS);
}

function beginningsOf(word: string): string[] {
  const letters = [...word];
  const beginnings = [word];
  for (let length = SHORTEST; length < letters.length; length++) beginnings.push(letters.slice(0, length).join(''));
  return beginnings;
}
