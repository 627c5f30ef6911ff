import { PageQuery } from '../../platform/http/cursors.js';
import { Instant, Text, Texts, Uuid, Whole } from '../../platform/http/fields.js';
import { tidy } from './names.js';

const NPI = /^\d{10}$/;
const NPI_FORM = 'ten digits';

export class PractitionerParams {
  @Uuid({ description: 'Practitioner.' })
  id: string;
}

export class PractitionerQuery extends PageQuery {
  @Text({ optional: true, max: 100, normalise: tidy, description: 'Beginning of the family name, in either case.' })
  text?: string;
}

/** A practitioner without saying whose account it is. */
export class NewPractitioner {
  @Text({ max: 100, normalise: tidy, description: 'Family name.' })
  family: string;

  @Texts({ max: 100, many: 10, description: 'Given names, in order.' })
  given: string[];

  @Text({ optional: true, max: 10, pattern: NPI, form: NPI_FORM, description: 'National Provider Identifier (US).' })
  npi?: string;

  @Text({ max: 100, normalise: tidy, description: 'Specialty, as patients read it.', example: 'Cardiology' })
  specialty: string;
}

export class CreatePractitioner extends NewPractitioner {
  @Uuid({ optional: true, description: 'Account of the practitioner, if there is one.' })
  accountId?: string;
}

export class UpdatePractitioner {
  @Text({ optional: true, max: 100, normalise: tidy, description: 'Family name.' })
  family?: string;

  @Texts({ optional: true, max: 100, many: 10, description: 'Given names, in order.' })
  given?: string[];

  @Text({
    optional: true,
    nullable: true,
    max: 10,
    pattern: NPI,
    form: NPI_FORM,
    description: 'National Provider Identifier (US); null removes it.',
  })
  npi?: string | null;

  @Text({ optional: true, max: 100, normalise: tidy, description: 'Specialty, as patients read it.' })
  specialty?: string;

  @Uuid({ optional: true, description: 'Account of the practitioner; only while there is none.' })
  accountId?: string;
}

export class PractitionerView {
  @Uuid({ description: 'Practitioner.' })
  id: string;

  @Text({ description: 'Family name.' })
  family: string;

  @Texts({ description: 'Given names, in order.' })
  given: string[];

  @Text({ nullable: true, description: 'National Provider Identifier (US).' })
  npi: string | null;

  @Text({ description: 'Specialty.' })
  specialty: string;

  @Whole({ description: 'Version; the ETag for If-Match.' })
  version: number;

  @Instant({ description: 'When it was entered.' })
  createdAt: Date;

  @Instant({ description: 'When it last changed.' })
  updatedAt: Date;
}
