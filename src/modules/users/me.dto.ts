import type { Role } from '../../platform/access/vocabulary.js';
import { Email, Json, Text, Texts, Uuid, Whole } from '../../platform/http/fields.js';

export class MeView {
  @Uuid({ description: 'Account.' })
  id: string;

  @Text({ nullable: true, description: 'Name to sign in with.' })
  username: string | null;

  @Text({ description: 'Name as others see it.' })
  displayName: string;

  @Email({ description: 'Where notices go.' })
  email: string;

  @Texts({ description: 'Roles that the account holds.' })
  roles: Role[];

  @Texts({ description: 'Charts that are the own ones of the caller.' })
  patientIds: readonly string[];

  @Uuid({ nullable: true, description: 'Own entry among the practitioners.' })
  practitionerId: string | null;

  @Whole({ description: 'Version; the ETag for If-Match.' })
  version: number;
}

export class PermissionsView {
  @Json({ array: true, description: "The caller's rules, packed (`packRules` of @casl/ability/extra)." })
  rules: unknown[];
}
