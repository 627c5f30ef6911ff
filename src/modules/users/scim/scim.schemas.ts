export const USER_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:User';
export const GROUP_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:Group';
export const ENTERPRISE_SCHEMA = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
export const LIST_SCHEMA = 'urn:ietf:params:scim:api:messages:2.0:ListResponse';
export const PATCH_SCHEMA = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';

/** One attribute as RFC 7643 section 7 describes them; the same table is answered at /Schemas and reads what comes in. */
export interface Attribute {
  name: string;
  type: 'string' | 'boolean' | 'complex' | 'reference' | 'dateTime';
  multiValued: boolean;
  description: string;
  required: boolean;
  caseExact: boolean;
  mutability: 'readWrite' | 'readOnly' | 'immutable';
  returned: 'always' | 'default';
  uniqueness: 'none' | 'server' | 'global';
  referenceTypes?: string[];
  canonicalValues?: string[];
  subAttributes?: Attribute[];
}

const attribute = (name: string, description: string, over: Partial<Attribute> = {}): Attribute => ({
  name,
  type: over.subAttributes ? 'complex' : 'string',
  multiValued: false,
  description,
  required: false,
  caseExact: false,
  mutability: 'readWrite',
  returned: 'default',
  uniqueness: 'none',
  ...over,
});

const readOnly = { mutability: 'readOnly' } as const;

/** Attributes that every resource has (RFC 7643 section 3.1); they stand in no schema. */
export const COMMON: readonly Attribute[] = [
  attribute('schemas', 'Schemas of the resource.', { ...readOnly, multiValued: true, returned: 'always' }),
  attribute('id', 'Identifier, given by the portal.', {
    ...readOnly,
    caseExact: true,
    returned: 'always',
    uniqueness: 'global',
  }),
  attribute('externalId', 'Identifier, given by the directory.', { caseExact: true }),
  attribute('meta', 'About the resource.', {
    ...readOnly,
    subAttributes: ['resourceType', 'created', 'lastModified', 'location', 'version'].map((name) =>
      attribute(name, name, readOnly),
    ),
  }),
];

export const USER_ATTRIBUTES: readonly Attribute[] = [
  attribute('userName', 'Name to sign in with; case makes no difference.', { required: true, uniqueness: 'server' }),
  attribute('name', 'Parts of the name.', {
    subAttributes: [
      attribute('formatted', 'The whole name; where there is no displayName, the name that others see.'),
      attribute('familyName', 'Family name.'),
      attribute('givenName', 'Given name.'),
    ],
  }),
  attribute('displayName', 'Name as others see it.'),
  attribute('title', 'Title; of clinicians it becomes the specialty.'),
  attribute('active', 'May the person sign in? Where false, every session ends at once.', { type: 'boolean' }),
  attribute('emails', 'One address is kept: the primary one, else the first for work, else the first.', {
    multiValued: true,
    subAttributes: [
      attribute('value', 'Address for notices and the activation code.', { required: true }),
      attribute('type', 'Always work.', { canonicalValues: ['work'] }),
      attribute('primary', 'Always true.', { type: 'boolean' }),
    ],
  }),
  attribute('groups', 'Groups that the person is a member of.', {
    ...readOnly,
    multiValued: true,
    subAttributes: [
      attribute('value', 'Group.', readOnly),
      attribute('$ref', 'Where the group can be read.', { ...readOnly, type: 'reference', referenceTypes: ['Group'] }),
      attribute('display', 'Name of the group.', readOnly),
    ],
  }),
  attribute('roles', 'Roles in the portal; groups and administrators give them.', {
    ...readOnly,
    multiValued: true,
    subAttributes: [attribute('value', 'Role.', readOnly)],
  }),
];

export const GROUP_ATTRIBUTES: readonly Attribute[] = [
  attribute('displayName', 'Name; it decides which roles the group gives.', { required: true, uniqueness: 'server' }),
  attribute('members', 'Users of this directory.', {
    multiValued: true,
    subAttributes: [
      attribute('value', 'User.', { mutability: 'immutable', required: true, caseExact: true }),
      attribute('$ref', 'Where the user can be read.', {
        mutability: 'immutable',
        type: 'reference',
        referenceTypes: ['User'],
      }),
      attribute('display', 'Name of the user.', readOnly),
    ],
  }),
];

/**
 * Attributes of RFC 7643 that the portal has no use for, password included: directories send them by default, so they are
 * taken without complaint and not kept (RFC 7644 section 3.3). They stand in no schema that is answered.
 */
export const NOT_KEPT = new Set(
  [
    'nickName',
    'profileUrl',
    'userType',
    'preferredLanguage',
    'locale',
    'timezone',
    'password',
    'phoneNumbers',
    'ims',
    'photos',
    'addresses',
    'entitlements',
    'x509Certificates',
  ].map((name) => name.toLowerCase()),
);
export const NAME_PARTS_NOT_KEPT = new Set(['middlename', 'honorificprefix', 'honorificsuffix']);

export interface ResourceKind {
  name: 'User' | 'Group';
  endpoint: '/Users' | '/Groups';
  schema: string;
  description: string;
  attributes: readonly Attribute[];
}

export const USER: ResourceKind = {
  name: 'User',
  endpoint: '/Users',
  schema: USER_SCHEMA,
  description: 'Somebody of the staff',
  attributes: USER_ATTRIBUTES,
};
export const GROUP: ResourceKind = {
  name: 'Group',
  endpoint: '/Groups',
  schema: GROUP_SCHEMA,
  description: 'Group of the directory',
  attributes: GROUP_ATTRIBUTES,
};
export const KINDS: readonly ResourceKind[] = [USER, GROUP];

export const allAttributes = (kind: ResourceKind): readonly Attribute[] => [...COMMON, ...kind.attributes];

/** Attribute names are compared without case (RFC 7643 section 2.1). */
export const attributeOf = (attributes: readonly Attribute[], name: string): Attribute | undefined =>
  attributes.find((one) => one.name.toLowerCase() === name.toLowerCase());

/** `urn:…:User:name.familyName` → `name.familyName`; null when it belongs to a schema that is not this resource's. */
export function withoutSchema(kind: ResourceKind, path: string): string | null {
  if (!/^urn:/i.test(path)) return path;
  const prefix = `${kind.schema}:`;
  if (path.toLowerCase() === kind.schema.toLowerCase()) return '';
  return path.toLowerCase().startsWith(prefix.toLowerCase()) ? path.slice(prefix.length) : null;
}
