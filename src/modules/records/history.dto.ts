import { PageQuery } from '../../platform/http/cursors.js';
import { Flag, Instant, Json, OneOf, Text, Uuid, Whole } from '../../platform/http/fields.js';

export class HistoryQuery extends PageQuery {}

export class VersionParams {
  @Uuid({ description: 'The record.' })
  id: string;

  @Whole({ min: 1, max: 2_000_000_000, description: 'Its version.' })
  version: number;
}

export class VersionView {
  @Whole({
    description: 'Number of the version; they count arrivals, so that a late one may be higher than the current.',
  })
  version: number;

  @Flag({ description: 'This is how the record is now.' })
  isCurrent: boolean;

  @Flag({ description: 'The source said that the record is gone.' })
  isDeleted: boolean;

  @Text({ nullable: true, description: 'Status of this version.' })
  status: string | null;

  @Text({ nullable: true, description: 'The same for a reader.' })
  statusText: string | null;

  @Text({ max: 2000, description: 'The feed that it came from (a URI), or the portal itself.' })
  source: string;

  @Instant({ nullable: true, description: "The source's time of this version." })
  sourceUpdatedAt: string | null;

  @Instant({ description: 'When it came.' })
  receivedAt: string;

  @OneOf(['feed', 'clinician', 'patient'], { description: 'Who wrote it: a feed, or a person in the portal.' })
  origin: 'feed' | 'clinician' | 'patient';

  @Uuid({ nullable: true, description: 'Account of who wrote it in the portal.' })
  writtenBy: string | null;

  @Uuid({ nullable: true, description: 'The import that brought it.' })
  importId: string | null;

  @Whole({ nullable: true, description: 'Its entry in the Bundle (from 0) or its line in the file (from 1).' })
  line: number | null;

  @Text({ nullable: true, max: 500, description: 'Id of the message that brought it (HL7v2 MSH-10).' })
  messageId: string | null;
}

export class ProvenanceView {
  @OneOf(['portal', 'source'], {
    description: "Who says it: the portal of a version that it received, or the record's source.",
  })
  by: 'portal' | 'source';

  @Json({ fhir: true, description: 'FHIR R4 Provenance.' })
  resource: object;
}
