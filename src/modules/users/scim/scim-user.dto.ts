import { Email, Flag, Instant, Nested, OneOf, Text, Texts, Uuid, Whole } from '../../../platform/http/fields.js';
import { tidy } from '../names.js';
import { normaliseUsername } from '../username.js';
import { LIST_SCHEMA, PATCH_SCHEMA, USER_SCHEMA } from './scim.schemas.js';

/** Directories name people by their address or principal name, which has more signs than a name that is chosen here. */
const DIRECTORY_USERNAME = /^[\p{L}\p{N}._@+'!#~^-]{3,128}$/u;

const Name = (description: string) => Text({ optional: true, max: 100, normalise: tidy, description });

export class ScimNameInput {
  @Text({ optional: true, max: 200, normalise: tidy, description: 'The whole name.' })
  formatted?: string;

  @Name('Family name.')
  familyName?: string;

  @Name('Given name.')
  givenName?: string;
}

export class ScimEmailInput {
  @Email({ description: 'Address.' })
  value: string;

  @Text({ optional: true, max: 50, description: 'Such as work.' })
  type?: string;

  @Flag({ optional: true, description: 'Is it the one to use?' })
  primary?: boolean;
}

/** What of a user the portal keeps; other attributes are taken without complaint. */
export class ScimUserInput {
  @Text({
    min: 3,
    max: 128,
    pattern: DIRECTORY_USERNAME,
    normalise: normaliseUsername,
    description: 'Name to sign in with; case makes no difference.',
    example: 'ines.okafor@hospital.example',
  })
  userName: string;

  @Text({ optional: true, max: 255, description: "The directory's own identifier." })
  externalId?: string;

  @Text({ optional: true, max: 200, normalise: tidy, description: 'Name as others see it; else made of the name.' })
  displayName?: string;

  @Nested(() => ScimNameInput, { optional: true, description: 'Parts of the name.' })
  name?: ScimNameInput;

  @Text({ optional: true, max: 100, normalise: tidy, description: 'Title; of clinicians it becomes the specialty.' })
  title?: string;

  @Flag({ optional: true, description: 'May they sign in? Where false, every session ends at once.' })
  active?: boolean;

  @Nested(() => ScimEmailInput, {
    many: 20,
    optional: true,
    description:
      'One is kept: the primary, else the first for work, else the first. Without any, a userName that is an address.',
  })
  emails?: ScimEmailInput[];
}

/** For the documentation; its operations come in many forms. */
export class ScimOperationInput {
  @OneOf(['add', 'replace', 'remove'], { description: 'Case makes no difference.' })
  op: string;

  @Text({
    optional: true,
    max: 1000,
    description: 'Attribute; without it the value is an object of attributes.',
    example: 'active',
  })
  path?: string;
}

export class ScimPatchInput {
  @Texts({ description: `\`${PATCH_SCHEMA}\`.` })
  schemas: string[];

  @Nested(() => ScimOperationInput, {
    many: 10_000,
    description: 'What to change, in order; `value` is of the form of the attribute.',
  })
  Operations: ScimOperationInput[];
}

export class ScimSearchInput {
  @Texts({ description: '`urn:ietf:params:scim:api:messages:2.0:SearchRequest`.' })
  schemas: string[];

  @Text({ optional: true, max: 2000, description: 'Condition.', example: 'userName eq "ines.okafor"' })
  filter?: string;

  @Whole({ optional: true, min: 1, description: 'Place of the first one.' })
  startIndex?: number;

  @Whole({ optional: true, max: 200, description: 'Most of them.' })
  count?: number;

  @Text({ optional: true, description: 'Attribute to sort by.' })
  sortBy?: string;

  @OneOf(['ascending', 'descending'], { optional: true, description: 'Order.' })
  sortOrder?: string;

  @Texts({ optional: true, many: 50, description: 'Only these attributes.' })
  attributes?: string[];

  @Texts({ optional: true, many: 50, description: 'All but these attributes.' })
  excludedAttributes?: string[];
}

export class ScimMetaView {
  @OneOf(['User', 'Group'], { description: 'Kind.' })
  resourceType: string;

  @Instant({ description: 'When it was made.' })
  created: Date;

  @Instant({ description: 'When it last changed.' })
  lastModified: Date;

  @Text({ description: 'Where it can be read.' })
  location: string;

  @Text({ description: 'The ETag, for If-Match.' })
  version: string;
}

export class ScimNameView {
  @Text({ description: 'The whole name.' })
  formatted: string;

  @Text({ optional: true, description: 'Family name.' })
  familyName?: string;

  @Text({ optional: true, description: 'Given name.' })
  givenName?: string;
}

export class ScimEmailView {
  @Text({ description: 'Address.' })
  value: string;

  @Text({ description: 'Always work.' })
  type: string;

  @Flag({ description: 'Always true.' })
  primary: boolean;
}

export class ScimReferenceView {
  @Uuid({ description: 'Identifier.' })
  value: string;

  @Text({ description: 'Where it can be read.' })
  $ref: string;

  @Text({ description: 'Name.' })
  display: string;
}

export class ScimRoleView {
  @Text({ description: 'Role in the portal.' })
  value: string;
}

export class ScimUserView {
  @Texts({ description: `\`${USER_SCHEMA}\`.` })
  schemas: string[];

  @Uuid({ description: 'Account.' })
  id: string;

  @Text({ optional: true, description: "The directory's own identifier." })
  externalId?: string;

  @Text({ description: 'Name to sign in with.' })
  userName: string;

  @Nested(() => ScimNameView, { optional: true, description: 'Parts of the name.' })
  name?: ScimNameView;

  @Text({ description: 'Name as others see it.' })
  displayName: string;

  @Text({ optional: true, description: 'Title.' })
  title?: string;

  @Flag({ description: 'May they sign in? False also where an administrator of the portal has disabled the account.' })
  active: boolean;

  @Nested(() => ScimEmailView, { many: 1, description: 'The address that is kept.' })
  emails: ScimEmailView[];

  @Nested(() => ScimReferenceView, { many: 1000, description: 'Groups; changed at the groups.' })
  groups: ScimReferenceView[];

  @Nested(() => ScimRoleView, { many: 10, description: 'Roles in the portal; groups and administrators give them.' })
  roles: ScimRoleView[];

  @Nested(() => ScimMetaView, { description: 'About the resource.' })
  meta: ScimMetaView;
}

export class ScimUserListView {
  @Texts({ description: `\`${LIST_SCHEMA}\`.` })
  schemas: string[];

  @Whole({ description: 'How many there are.' })
  totalResults: number;

  @Whole({ description: 'Place of the first one here.' })
  startIndex: number;

  @Whole({ description: 'How many are here.' })
  itemsPerPage: number;

  @Nested(() => ScimUserView, { many: 200, description: 'They themselves.' })
  Resources: ScimUserView[];
}
