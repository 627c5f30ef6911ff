import { applyDecorators, type Type as Class } from '@nestjs/common';
import type { ApiPropertyOptions } from '@nestjs/swagger';
import { Transform, Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsEmail,
  IsIn,
  IsInt,
  IsISO8601,
  IsObject,
  IsOptional,
  IsString,
  IsUUID,
  Matches,
  Max,
  MaxLength,
  Min,
  MinLength,
  NotContains,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { documented } from '../docs/documented.js';

/**
 * Field decorators for inputs and views: one declaration gives validation, OpenAPI and the list of what may leave the
 * server. Lengths are in UTF-16 units, the same as in OpenAPI's maxLength of JavaScript clients.
 */
interface Common {
  description: string;
  optional?: boolean;
  nullable?: boolean;
  example?: unknown;
}

export interface FieldShape {
  name: string;
  /** Class of a nested view; its fields alone are presented. */
  nested?: () => Class;
  many?: boolean;
}

/** PostgreSQL has no text with this character: it would be a fault of the database. */
const NUL = '\u0000';
const withoutNul = { message: '$property must not contain the character U+0000' };

const shapes = new WeakMap<object, FieldShape[]>();

function declare(shape: Omit<FieldShape, 'name'> = {}): PropertyDecorator {
  return (target, key) => {
    const own = shapes.get(target) ?? [];
    shapes.set(target, [...own, { ...shape, name: String(key) }]);
  };
}

/** Fields that a view class and its parents declare, in order. */
export function fieldsOf(view: Class): FieldShape[] {
  const found: FieldShape[] = [];
  for (let proto = view.prototype as object | null; proto; proto = Object.getPrototypeOf(proto) as object | null) {
    found.unshift(...(shapes.get(proto) ?? []));
  }
  return found;
}

/** Left out is not the same as null: only a field declared nullable takes null, and only an optional one may be missing. */
function absence(optional = false, nullable = false): PropertyDecorator[] {
  if (optional && nullable) return [IsOptional()];
  if (optional) return [ValidateIf((_, value) => value !== undefined)];
  if (nullable) return [ValidateIf((_, value) => value !== null)];
  return [];
}

function field(
  common: Common,
  api: ApiPropertyOptions,
  checks: PropertyDecorator[],
  shape: Omit<FieldShape, 'name'> = {},
): PropertyDecorator {
  const { description, optional, nullable, example } = common;
  return applyDecorators(
    declare(shape),
    documented(({ ApiProperty }) =>
      ApiProperty({
        ...api,
        description,
        required: !optional,
        ...(nullable ? { nullable } : {}),
        ...(example === undefined ? {} : { example }),
      } as ApiPropertyOptions),
    ),
    ...absence(optional, nullable),
    ...checks,
  );
}

export const Text = (
  options: Common & {
    min?: number;
    max?: number;
    pattern?: RegExp;
    /** The pattern in words, for whoever typed something else: "letters and digits". */
    form?: string;
    format?: string;
    normalise?: (text: string) => string;
  },
): PropertyDecorator => {
  const { min = 1, max = 200, pattern, form, normalise } = options;
  return field(
    options,
    { type: String, minLength: min, maxLength: max, pattern: pattern?.source, format: options.format },
    [
      ...(normalise
        ? [Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? normalise(value) : value))]
        : []),
      IsString(),
      MinLength(min),
      MaxLength(max),
      NotContains(NUL, withoutNul),
      ...(pattern ? [Matches(pattern, form === undefined ? {} : { message: `$property takes ${form}` })] : []),
    ],
  );
};

export const Texts = (options: Common & { max?: number; many?: number; unique?: boolean }): PropertyDecorator =>
  field(options, { type: [String], maxItems: options.many ?? 20 }, [
    IsArray(),
    ArrayMaxSize(options.many ?? 20),
    IsString({ each: true }),
    MinLength(1, { each: true }),
    MaxLength(options.max ?? 200, { each: true }),
    NotContains(NUL, { ...withoutNul, each: true }),
    ...(options.unique ? [ArrayUnique()] : []),
  ]);

export const Uuid = (options: Common): PropertyDecorator =>
  field(options, { type: String, format: 'uuid' }, [IsUUID()]);

const oneIsAList = Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? [value] : value));

/** `repeatable`: a query parameter, of which one alone is no list yet. */
export const Uuids = (options: Common & { many: number; repeatable?: boolean }): PropertyDecorator =>
  field(options, { type: String, format: 'uuid', isArray: true, minItems: 1, maxItems: options.many }, [
    ...(options.repeatable ? [oneIsAList] : []),
    IsArray(),
    ArrayMinSize(1),
    ArrayMaxSize(options.many),
    ArrayUnique(),
    IsUUID(undefined, { each: true }),
  ]);

export const Email = (options: Common): PropertyDecorator =>
  field(options, { type: String, format: 'email', maxLength: 254 }, [IsEmail(), MaxLength(254)]);

export const OneOf = (values: readonly string[], options: Common): PropertyDecorator =>
  field(options, { type: String, enum: [...values] }, [IsIn([...values])]);

/** `repeatable`: a query parameter, of which one alone is no list yet. */
export const SomeOf = (
  values: readonly string[],
  options: Common & { min?: number; repeatable?: boolean },
): PropertyDecorator =>
  field(options, { type: String, isArray: true, enum: [...values], minItems: options.min }, [
    ...(options.repeatable ? [oneIsAList] : []),
    IsArray(),
    ...(options.min ? [ArrayMinSize(options.min)] : []),
    ArrayUnique(),
    ArrayMaxSize(values.length),
    IsIn([...values], { each: true }),
  ]);

const toNumber = Transform(({ value }: { value: unknown }) =>
  typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value,
);

export const Whole = (options: Common & { min?: number; max?: number; default?: number }): PropertyDecorator =>
  field(
    options,
    {
      type: 'integer',
      minimum: options.min ?? 0,
      maximum: options.max ?? Number.MAX_SAFE_INTEGER,
      default: options.default,
    },
    [toNumber, IsInt(), Min(options.min ?? 0), Max(options.max ?? Number.MAX_SAFE_INTEGER)],
  );

export const Flag = (options: Common): PropertyDecorator =>
  field(options, { type: Boolean }, [
    Transform(({ value }: { value: unknown }) => (value === 'true' ? true : value === 'false' ? false : value)),
    IsBoolean(),
  ]);

/** A number that need not be whole. Views only. */
export const Decimal = (options: Common): PropertyDecorator => field(options, { type: 'number' }, []);

/** RFC 3339 with an offset; a time without one means something else in every place. */
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

export const Instant = (options: Common): PropertyDecorator =>
  field(options, { type: String, format: 'date-time' }, [
    Matches(INSTANT, { message: '$property must be a time with its offset, such as 2026-11-22T09:00:00Z' }),
    IsISO8601({ strict: true }),
  ]);

export const Day = (options: Common): PropertyDecorator =>
  field(options, { type: String, format: 'date' }, [Matches(/^\d{4}-\d\d-\d\d$/), IsISO8601({ strict: true })]);

export const Nested = (type: () => Class, options: Common & { many?: number }): PropertyDecorator =>
  options.many === undefined
    ? // What is not there at all would pass for valid: only IsObject refuses that.
      field(options, { type }, [IsObject(), ValidateNested(), Type(type)], { nested: type })
    : field(
        options,
        { type, isArray: true, maxItems: options.many },
        [IsArray(), ArrayMaxSize(options.many), ValidateNested({ each: true }), Type(type)],
        { nested: type, many: true },
      );

/** An object of a shape that is somebody else's, taken as it is and never presented; the parser limits its depth and size. */
export const Plain = (options: Common): PropertyDecorator =>
  field(options, { type: 'object', additionalProperties: true }, [IsObject()]);

/** JSON of another shape, such as a FHIR resource or packed rules: presented as it is. Views only. */
export const Json = (options: Common & { fhir?: boolean; array?: boolean }): PropertyDecorator =>
  field(options, options.array ? { type: 'array', items: {} } : { type: 'object', additionalProperties: true }, []);
