import { ValidationPipe, type ValidationError } from '@nestjs/common';
import { getMetadataStorage } from 'class-validator';
import { Problem, type FieldError } from './problem.js';

const escapePointer = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1');

const CODES: Record<string, string> = {
  whitelistValidation: 'unknown',
  isUuid: 'not-a-uuid',
  isIn: 'not-one-of',
  minLength: 'too-short',
  maxLength: 'too-long',
  matches: 'wrong-form',
  isIso8601: 'not-a-time',
  isEmail: 'not-an-email',
  min: 'too-small',
  max: 'too-large',
  arrayMaxSize: 'too-many',
  arrayMinSize: 'too-few',
  notContains: 'wrong-form',
  arrayUnique: 'repeated',
};

const DETAILS: Record<string, string> = {
  whitelistValidation: 'This is not known here: leave it out.',
  unknownValue: 'An object with the described members is expected here.',
};

/** What is missing is just that, and what has the wrong type has neither length nor form: one fault each. */
function faultsOf({ property, value, constraints = {} }: ValidationError, pointer: string): FieldError[] {
  const kinds = Object.entries(constraints);
  if (kinds.length > 0 && property && value === undefined)
    return [{ pointer, code: 'missing', detail: `${property} is needed.` }];
  const faults = kinds.map(([kind, detail]) => ({
    pointer,
    code: CODES[kind] ?? 'wrong-type',
    detail: DETAILS[kind] ?? detail,
  }));
  const wrongType = faults.filter(({ code }) => code === 'wrong-type');
  return wrongType.length > 0 ? wrongType : faults;
}

/** class-validator's sentences begin with the property's name and never hold its value. */
export function* fieldErrors(errors: readonly ValidationError[], parent = ''): Generator<FieldError> {
  for (const error of errors) {
    // A list where an object is expected is wrong as a whole: it has no property to be named by.
    const pointer = (error.property as string | undefined) ? `${parent}/${escapePointer(error.property)}` : parent;
    yield* faultsOf(error, pointer);
    yield* fieldErrors(error.children ?? [], pointer);
  }
}

export const invalid = (errors: FieldError[]): Problem =>
  new Problem(400, 'http.invalid', 'Some of the input is not as described: see errors.', {
    errors: errors.slice(0, 100),
  });

type Rules = ReturnType<ReturnType<typeof getMetadataStorage>['getTargetValidationMetadatas']>;

/**
 * class-validator gathers a class's rules anew at each validation, and looks through all classes of the program for it: what
 * it costs would grow with every endpoint. They are declarations and do not change, and no rule here is of a group.
 */
function rememberRules(): void {
  const storage = getMetadataStorage();
  if (Object.hasOwn(storage, 'getTargetValidationMetadatas')) return;
  const gather = storage.getTargetValidationMetadatas.bind(storage);
  const known = new WeakMap<object, Rules>();
  storage.getTargetValidationMetadatas = (target, ...options) => {
    const rules = known.get(target) ?? gather(target, ...options);
    known.set(target, rules);
    return rules;
  };
}

/** Unknown keys, wrong types and missing fields: 400 that names each. */
export function validationPipe(): ValidationPipe {
  rememberRules();
  return new ValidationPipe({
    transform: true,
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
    // Whether there is a value at all is looked at, and nothing else of it.
    validationError: { target: false, value: true },
    exceptionFactory: (errors) => invalid([...fieldErrors(errors)]),
  });
}
