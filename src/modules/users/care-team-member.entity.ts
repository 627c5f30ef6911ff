import { Check, Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import { Patient } from './patient.entity.js';
import { Practitioner } from './practitioner.entity.js';

/** From `startsAt` up to, not including, `endsAt`; a membership ended before it began is empty. */
@Entity({ schema: 'users', name: 'care_team_member' })
@Check('care_team_member__period', `ends_at >= starts_at`)
@Index('care_team_member__already_on_it', ['patientId', 'practitionerId'], { unique: true, where: 'ends_at IS NULL' })
@Index('care_team_member__of_practitioner', ['practitionerId', 'patientId'])
@Index('care_team_member__of_patient', ['patientId', 'practitionerId'])
export class CareTeamMember {
  @PrimaryColumn('uuid', { name: 'care_team_member_id', primaryKeyConstraintName: 'care_team_member__pk' })
  id: string;

  @ForeignKey(() => Patient, { name: 'care_team_member__patient' })
  @Column('uuid', { name: 'patient_id' })
  patientId: string;

  @ForeignKey(() => Practitioner, { name: 'care_team_member__practitioner' })
  @Column('uuid', { name: 'practitioner_id' })
  practitionerId: string;

  @Column('timestamptz', { name: 'starts_at' })
  startsAt: Date;

  @Column('timestamptz', { name: 'ends_at', nullable: true })
  endsAt: Date | null;

  @Column('timestamptz', { name: 'created_at' })
  createdAt: Date;

  @Column('uuid', { name: 'created_by' })
  createdBy: string;
}
