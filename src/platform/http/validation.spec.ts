import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { Nested, Text, Whole } from './fields.js';
import type { Problem } from './problem.js';
import { validationPipe } from './validation.js';

class Inner {
  @Text({ description: 'City.' })
  city: string;
}

class Input {
  @Text({ min: 3, max: 5, pattern: /^[a-z]+$/, description: 'Name.' })
  name: string;

  @Whole({ optional: true, description: 'Age.' })
  age?: number;

  @Nested(() => Inner, { optional: true, description: 'Where.' })
  where?: Inner;
}

/** Pointer and code of each fault; null where there is none. */
async function faultsOf(body: unknown): Promise<string[] | null> {
  try {
    await validationPipe().transform(body, { type: 'body', metatype: Input });
    return null;
  } catch (error) {
    const { errors } = (error as Problem).extra as { errors: { pointer: string; code: string; detail: string }[] };
    expect(JSON.stringify(errors)).not.toMatch(/sesame/i);
    return errors.map(({ pointer, code }) => `${pointer} ${code}`);
  }
}

describe('what is wrong with an input', () => {
  it('is said once of what is missing, and of what has the wrong type', async () => {
    expect(await faultsOf({})).toEqual(['/name missing']);
    expect(await faultsOf({ name: undefined })).toEqual(['/name missing']);
    for (const name of [null, 7, true, ['sesame'], { a: 'sesame' }])
      expect(await faultsOf({ name })).toEqual(['/name wrong-type']);
    expect(await faultsOf({ name: 'abc', where: {} })).toEqual(['/where/city missing']);
    expect(await faultsOf({ name: 'abc', where: { city: 7 } })).toEqual(['/where/city wrong-type']);
  });

  it('is all said of a value of the right type, and never what the value was', async () => {
    expect(await faultsOf({ name: 'SESAME' })).toEqual(['/name too-long', '/name wrong-form']);
    expect(await faultsOf({ name: 'ab' })).toEqual(['/name too-short']);
    expect(await faultsOf({ name: 'abc', other: 'sesame', age: 1 })).toEqual(['/other unknown']);
    expect(await faultsOf({ name: 'abc' })).toBeNull();
  });
});
