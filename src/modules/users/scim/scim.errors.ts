import { constraintMeans } from '../../../platform/database/database-errors.js';
import { Problem } from '../../../platform/http/problem.js';

export const invalidSyntax = (
  detail = 'Send a SCIM message of this kind (RFC 7644 section 3), with its schemas.',
): Problem => new Problem(400, 'scim.invalid-syntax', detail);
export const invalidFilter = (
  detail = 'Write the filter as RFC 7644 section 3.4.2.2 has it, such as userName eq "sam@hospital.example".',
): Problem => new Problem(400, 'scim.invalid-filter', detail);
export const invalidPath = (detail = 'Name an attribute of this resource: GET /scim/v2/Schemas lists them.'): Problem =>
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
