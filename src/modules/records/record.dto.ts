import { PageQuery } from '../../platform/http/cursors.js';
import { Instant, Json, OneOf, Text, Texts, Uuid, Whole } from '../../platform/http/fields.js';

export class ChartParams {
  @Uuid({ description: 'The patient.' })
  id: string;
}

export class RecordParams {
  @Uuid({ description: 'The record.' })
  id: string;
}

const DAY_OR_INSTANT = /^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d{1,3})?(Z|[+-]\d\d:\d\d))?$/;

export class RecordsQuery extends PageQuery {
  @Text({ optional: true, max: 64, pattern: /^[A-Z][A-Za-z]+$/, description: 'FHIR type.', example: 'Observation' })
  type?: string;

  @Text({ optional: true, max: 200, description: 'Code of a category.', example: 'laboratory' })
  category?: string;

  @Text({ optional: true, max: 500, description: 'Code, or `system|code`.', example: 'http://loinc.org|8480-6' })
  code?: string;

  @Text({ optional: true, max: 35, pattern: DAY_OR_INSTANT, description: 'Not before this day (UTC) or instant.' })
  from?: string;

  @Text({
    optional: true,
    max: 35,
    pattern: DAY_OR_INSTANT,
    description: 'Not after this day (UTC, inclusive) or instant.',
  })
  to?: string;

  @OneOf(['newest', 'oldest'], { optional: true, description: 'What comes first; `newest` by default.' })
  sort?: 'newest' | 'oldest';
}

export class RecordView {
  @Uuid({ description: 'The record.' })
  id: string;

  @Uuid({ description: 'Whose record it is.' })
  patientId: string;

  @Text({ description: 'FHIR type.', example: 'Observation' })
  type: string;

  @Texts({ description: 'Codes of its categories.' })
  category: string[];

  @Text({ nullable: true, max: 500, description: 'What it is, as `system|code`.', example: 'http://loinc.org|8480-6' })
  code: string | null;

  @Text({ max: 500, description: 'The same in words.' })
  display: string;

  @Instant({ nullable: true, description: 'When it was so, for ordering: a partial date stands for its start.' })
  effectiveAt: string | null;

  @Text({
    nullable: true,
    description: 'The same as the sender wrote it: partial dates stay partial.',
    example: '2021-05',
  })
  effectiveText: string | null;

  @Text({ nullable: true, description: 'Status in the words of its type, such as `final`.' })
  status: string | null;

  @Whole({ description: 'Version of the record here, from 1.' })
  version: number;

  @Text({ max: 2000, description: 'The feed that it came from (a URI).' })
  source: string;

  @Json({
    fhir: true,
    description:
      "The FHIR R4 resource with its sender's decimals; references between stored records name their ids here.",
  })
  resource: object;
}
