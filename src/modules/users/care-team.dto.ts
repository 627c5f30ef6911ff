import { PageQuery } from '../../platform/http/cursors.js';
import { Flag, Instant, Nested, Text, Texts, Uuid } from '../../platform/http/fields.js';
import { PatientParams } from './patient.dto.js';

export class CareTeamQuery extends PageQuery {
  @Flag({ optional: true, description: 'Also memberships that have ended.' })
  ended?: boolean;
}

export class CareTeamMemberParams extends PatientParams {
  @Uuid({ description: 'Membership of the care team.' })
  memberId: string;
}

export class CreateCareTeamMember {
  @Uuid({ description: 'Practitioner who joins.' })
  practitionerId: string;

  @Instant({ optional: true, description: 'From when on. Default: now.' })
  startsAt?: string;

  @Instant({ optional: true, description: 'Until when. Default: open.' })
  endsAt?: string;
}

export class TeamPractitionerView {
  @Uuid({ description: 'Practitioner.' })
  id: string;

  @Text({ description: 'Family name.' })
  family: string;

  @Texts({ description: 'Given names, in order.' })
  given: string[];

  @Text({ description: 'Specialty.' })
  specialty: string;
}

export class CareTeamMemberView {
  @Uuid({ description: 'Membership.' })
  id: string;

  @Uuid({ description: 'Patient.' })
  patientId: string;

  @Nested(() => TeamPractitionerView, { description: 'Who.' })
  practitioner: TeamPractitionerView;

  @Instant({ description: 'From when on the practitioner may see the chart.' })
  startsAt: Date;

  @Instant({ nullable: true, description: 'Until when; null: open.' })
  endsAt: Date | null;
}
