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

/** class-validator's sentences begin with the property's name and never hold its value. */
function* fieldErrors(errors: readonly ValidationError[], parent = ''): Generator<FieldError> {
  for (const error of errors) {
    const pointer = `${parent}/${escapePointer(error.property)}`;
    for (const [kind, detail] of Object.entries(error.constraints ?? {})) {
      yield {
        pointer,
        code: CODES[kind] ?? 'wrong-type',
        detail: kind === 'whitelistValidation' ? 'This is not known here: leave it out.' : detail,
      };
    }
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
    validationError: { target: false, value: false },
    exceptionFactory: (errors) => invalid([...fieldErrors(errors)]),
  });
}
