import { applyDecorators, type Type } from '@nestjs/common';
import { documented } from '../../../platform/docs/documented.js';

const query = (name: string, description: string, type: 'string' | 'integer' = 'string'): MethodDecorator =>
  documented(({ ApiQuery }) => ApiQuery({ name, description, required: false, schema: { type } }));

/** Parameters of every SCIM route, for the documentation; they are read by the services, which take them as SCIM means them. */
export const ScimProjectionDoc = (): MethodDecorator =>
  applyDecorators(
    query('attributes', 'Only these attributes, with commas between.'),
    query('excludedAttributes', 'All but these attributes, with commas between.'),
  );

export const ScimListDoc = (): MethodDecorator =>
  applyDecorators(
    query(
      'filter',
      'Condition, such as `userName eq "ines.okafor"`: eq, ne, co, sw, ew, gt, ge, lt, le, pr, and, or, not.',
    ),
    query('startIndex', 'Place of the first one, counted from 1.', 'integer'),
    query('count', 'Most of them; 200 at most.', 'integer'),
    query('sortBy', 'Attribute to sort by.'),
    query('sortOrder', 'ascending or descending.'),
    ScimProjectionDoc(),
  );

export const ScimBodyDoc = (type: Type): MethodDecorator =>
  documented(({ ApiBody }) => ApiBody({ type, required: true }));

export const ScimIfMatchDoc = (): MethodDecorator =>
  documented(({ ApiHeader }) =>
    ApiHeader({ name: 'If-Match', required: false, description: 'ETag of the version that is changed.' }),
  );
