import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import type { Type } from '@nestjs/common';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { fieldErrors } from '../http/validation.js';

/** How the entries of a file are read; `read` throws where one means nothing: with a message, or several (Meaningless). */
interface Entries<E extends object, T> {
  /** That names the file. */
  setting: string;
  entry: Type<E>;
  noun: string;
  read: (entry: E) => T;
}

/** Well-formed, and more than one thing in it means nothing. */
export class Meaningless extends Error {
  constructor(readonly faults: readonly string[]) {
    super(faults.join('; '));
  }
}

/**
 * A file of the operator's that holds a JSON list. What is wrong with it goes into `problems`, by setting, entry and field and
 * never with a value, which may be a secret; an entry that is wrong is left out. '' is no file.
 */
export function readSettingsFile<E extends object, T>(
  path: string,
  { setting, entry, noun, read }: Entries<E, T>,
  problems: string[],
): T[] {
  if (path === '') return [];
  const list = parsed(path);
  if (!Array.isArray(list)) {
    const what = list === undefined ? 'cannot be read as JSON' : `must hold a list of ${noun}s`;
    problems.push(`${setting}: ${path} ${what}`);
    return [];
  }
  return list.flatMap((raw: unknown, at) => {
    const one = plainToInstance(entry, typeof raw === 'object' && raw !== null ? raw : {});
    try {
      const faults = faultsOf(one);
      if (faults.length > 0) throw new Meaningless(faults);
      return [read(one)];
    } catch (error) {
      const faults = error instanceof Meaningless ? error.faults : [(error as Error).message];
      problems.push(...faults.map((fault) => `${setting}: ${noun} ${at + 1}: ${fault}`));
      return [];
    }
  });
}

function parsed(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Fields that are wrong, by name; never their values. */
function faultsOf(entry: object): string[] {
  const errors = validateSync(entry, {
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
    // Whether there is a value at all is looked at, and nothing else of it.
    validationError: { target: false, value: true },
  });
  return Array.from(
    fieldErrors(errors),
    ({ pointer, detail }) => `${pointer.slice(1).replaceAll('/', '.')}: ${detail}`,
  );
}
