import { Nested, Text, Texts, Uuid, Whole } from '../../../platform/http/fields.js';
import { tidy } from '../names.js';
import { ScimMetaView } from './scim-user.dto.js';
import { GROUP_SCHEMA, LIST_SCHEMA } from './scim.schemas.js';

export class ScimGroupInput {
  @Text({
    max: 200,
    normalise: tidy,
    description: 'Name; it decides which roles the group gives.',
    example: 'Portal Clinicians',
  })
  displayName: string;

  @Text({ optional: true, max: 255, description: "The directory's own identifier." })
  externalId?: string;
}

export class ScimMemberInput {
  @Uuid({ description: 'User.' })
  value: string;
}

/** For the documentation: members are read apart, because there may be thousands. */
export class ScimGroupBody extends ScimGroupInput {
  @Nested(() => ScimMemberInput, {
    many: 10_000,
    optional: true,
    description: 'Users of this directory; all that are left out are no members.',
  })
  members?: ScimMemberInput[];
}

export class ScimMemberView {
  @Uuid({ description: 'User.' })
  value: string;

  @Text({ description: 'Where the user can be read.' })
  $ref: string;

  @Text({ description: 'Name.' })
  display: string;
}

export class ScimGroupView {
  @Texts({ description: `\`${GROUP_SCHEMA}\`.` })
  schemas: string[];

  @Uuid({ description: 'Group.' })
  id: string;

  @Text({ optional: true, description: "The directory's own identifier." })
  externalId?: string;

  @Text({ description: 'Name.' })
  displayName: string;

  @Nested(() => ScimMemberView, { many: 50_000, description: 'Users; `excludedAttributes=members` leaves them out.' })
  members: ScimMemberView[];

  @Nested(() => ScimMetaView, { description: 'About the resource.' })
  meta: ScimMetaView;
}

export class ScimGroupListView {
  @Texts({ description: `\`${LIST_SCHEMA}\`.` })
  schemas: string[];

  @Whole({ description: 'How many there are.' })
  totalResults: number;

  @Whole({ description: 'Place of the first one here.' })
  startIndex: number;

  @Whole({ description: 'How many are here.' })
  itemsPerPage: number;

  @Nested(() => ScimGroupView, { many: 200, description: 'They themselves.' })
  Resources: ScimGroupView[];
}
