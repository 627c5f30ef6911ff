import { PageQuery } from '../../platform/http/cursors.js';
import { Day, Email, Flag, Instant, OneOf, Text, Texts, Uuid, Whole } from '../../platform/http/fields.js';
import { tidy } from './names.js';
import { SEXES, type Sex } from './patient.entity.js';

export class PatientParams {
  @Uuid({ description: 'Patient.' })
  id: string;
}

export class PatientQuery extends PageQuery {
  @Text({ optional: true, max: 100, normalise: tidy, description: 'Beginning of the family name, in either case.' })
  text?: string;

  @Text({ optional: true, max: 64, description: 'Medical record number, exactly.' })
  mrn?: string;
}

export class CreatePatient {
  @Text({ max: 100, normalise: tidy, description: 'Family name.' })
  family: string;

  @Texts({ max: 100, many: 10, description: 'Given names, in order.' })
  given: string[];

  @Day({ description: 'Birth date.', example: '1984-05-17' })
  birthDate: string;

  @OneOf(SEXES, { description: 'Administrative sex.' })
  sex: Sex;

  @Text({ max: 64, normalise: tidy, description: 'Medical record number.' })
  mrn: string;

  @Text({
    optional: true,
    max: 255,
    pattern: /^[A-Za-z][A-Za-z0-9+.-]*:\S+$/,
    form: 'an absolute URI, such as https://hospital.example/mrn',
    description: "Who assigned the number (URI). Default: the hospital's own.",
  })
  mrnSystem?: string;

  @Email({ optional: true, description: 'Where an invitation goes.' })
  email?: string;
}

export class UpdatePatient {
  @Text({ optional: true, max: 100, normalise: tidy, description: 'Family name.' })
  family?: string;

  @Texts({ optional: true, max: 100, many: 10, description: 'Given names, in order.' })
  given?: string[];

  @Day({ optional: true, description: 'Birth date.' })
  birthDate?: string;

  @OneOf(SEXES, { optional: true, description: 'Administrative sex.' })
  sex?: Sex;

  @Email({ optional: true, nullable: true, description: 'Where an invitation goes; null removes it.' })
  email?: string | null;
}

export class PatientView {
  @Uuid({ description: 'Patient.' })
  id: string;

  @Text({ description: 'Medical record number.' })
  mrn: string;

  @Text({ description: 'Who assigned the number (URI).' })
  mrnSystem: string;

  @Text({ description: 'Family name.' })
  family: string;

  @Texts({ description: 'Given names, in order.' })
  given: string[];

  @Text({ nullable: true, description: 'Birth date as far as it is known: YYYY, YYYY-MM or YYYY-MM-DD.' })
  birthDate: string | null;

  @OneOf(SEXES, { description: 'Administrative sex.' })
  sex: Sex;

  @Email({ nullable: true, description: 'Where an invitation goes.' })
  email: string | null;

  @Flag({ description: 'Does the patient use the portal?' })
  hasAccount: boolean;

  @Whole({ description: 'Version; the ETag for If-Match.' })
  version: number;

  @Instant({ description: 'When the chart was opened.' })
  createdAt: Date;

  @Instant({ description: 'When the demographics last changed.' })
  updatedAt: Date;
}
