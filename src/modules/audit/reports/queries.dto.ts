import { PageQuery } from '../../../platform/http/cursors.js';
import { Flag, Instant, Json, Nested, OneOf, Text, Uuid, Whole } from '../../../platform/http/fields.js';
import { NamedView, SortedFilter } from '../audit.dto.js';

const tidy = (text: string): string => text.trim().normalize('NFC');
const OWNERS = ['mine', 'shared'] as const;

/** As in the search of events, but for addresses: those can be erased, and would stand here as they were. */
export class SavedFilter extends SortedFilter {
  @Whole({
    optional: true,
    min: 1,
    max: 3_660,
    description: 'Only the last so many days, counted back from when it is run; not together with `from` or `to`.',
  })
  days?: number;
}

export class KeepQuery {
  @Text({ max: 100, normalise: tidy, description: 'Name; no two of your own have the same. No names of people.' })
  name: string;

  @Flag({ optional: true, description: 'Other officers may see and run it. Default: it is yours alone.' })
  shared?: boolean;

  @Nested(() => SavedFilter, { description: 'Which events, and in which order.' })
  filter: SavedFilter;
}

export class QueryParams {
  @Uuid({ description: 'Saved query.' })
  id: string;
}

export class QueriesQuery extends PageQuery {
  @OneOf(OWNERS, { optional: true, description: 'Only your own, or only those that others share.' })
  of?: (typeof OWNERS)[number];
}

export class RunQuery extends PageQuery {}

export class SavedQueryView {
  @Uuid({ description: 'Saved query.' })
  id: string;

  @Text({ max: 100, description: 'Name.' })
  name: string;

  @Flag({ description: 'Other officers may see and run it.' })
  shared: boolean;

  @Flag({ description: 'It is your own: you may change and delete it.' })
  mine: boolean;

  @Nested(() => NamedView, { description: 'Whose it is.' })
  owner: NamedView;

  @Json({ description: 'Which events, and in which order.' })
  filter: object;

  @Text({ max: 200, description: 'Where its events are.', example: '/v1/audit/queries/…/events' })
  events: string;

  @Whole({ min: 1, description: 'Version, for If-Match.' })
  version: number;

  @Instant({ description: 'When it was kept.' })
  createdAt: string;

  @Instant({ description: 'When it was last changed.' })
  updatedAt: string;
}
