import { constraintMeans } from '../../../platform/database/database-errors.js';
import { Problem } from '../../../platform/http/problem.js';

export const invalidSyntax = (detail = 'The body is not a SCIM message of this kind.'): Problem =>
  new Problem(400, 'scim.invalid-syntax', detail);
export const invalidFilter = (detail = 'The filter is not understood.'): Problem =>
  new Problem(400, 'scim.invalid-filter', detail);
export const invalidPath = (detail = 'The path names no attribute of this resource.'): Problem =>
  new Problem(400, 'scim.invalid-path', detail);
export const invalidValue = (detail = 'A value is missing or not of the right kind.'): Problem =>
  new Problem(400, 'scim.invalid-value', detail);
export const notMutable = (detail = 'This attribute is read-only.'): Problem =>
  new Problem(400, 'scim.mutability', detail);
export const noTarget = (): Problem => new Problem(400, 'scim.no-target', 'The path matches nothing that is there.');
export const tooMany = (): Problem =>
  new Problem(
    400,
    'scim.too-many',
    'These groups have too many members for one answer: ask without members, or for fewer groups.',
  );
export const groupNameTaken = (): Problem =>
  new Problem(409, 'scim.group-name-taken', 'Another group of this directory has this displayName.');
export const noSuchMember = (): Problem =>
  new Problem(400, 'scim.no-such-member', 'A member is no user of this directory.');

constraintMeans('scim_group__name_taken', groupNameTaken);
constraintMeans('scim_group_member__account', noSuchMember);
