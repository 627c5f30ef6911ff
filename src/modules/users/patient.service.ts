import { Inject, Injectable } from '@nestjs/common';
import { newId } from '../../platform/ids.js';
import { authorize, type SignedIn } from '../../platform/access/context.js';
import { CONFIG, type Config } from '../../platform/config/config.js';
import { Cursors } from '../../platform/http/cursors.js';
import { staleVersion } from '../../platform/http/if-match.js';
import type { Page } from '../../platform/http/presenter.js';
import { notFound } from '../../platform/http/problem.js';
import type { CreatePatient, PatientQuery, PatientView, UpdatePatient } from './patient.dto.js';
import { Patient } from './patient.entity.js';
import { PatientRepository } from './patient.repository.js';
import { checkBirthDate, isWholeDate } from './patient.rules.js';
import { birthDateNeeded, chartHasAccount, emailNeeded } from './users.errors.js';
import { ChartEmailReplaced } from './users.events.js';

const LIST = 'users.patients';

/** Where their invitation goes, and the address that stands on the chart. */
export interface InvitedPatient {
  patientId: string;
  email: string;
  chartEmail: string | null;
}

/** Patients' demographics. Every one that is answered or changed leaves its trace for that patient. */
@Injectable()
export class PatientService {
  constructor(
    private readonly patients: PatientRepository,
    private readonly cursors: Cursors,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  async list(ctx: SignedIn, query: PatientQuery): Promise<Page<PatientView>> {
    const after = this.cursors.open<[string, string]>(ctx, LIST, query);
    const rows = await this.patients.list(ctx, query, after);
    return this.cursors.page(
      ctx,
      LIST,
      query,
      rows,
      (row) => [row.sortKey, row.id],
      (row) => this.touched(ctx, row),
    );
  }

  async get(ctx: SignedIn, id: string): Promise<PatientView> {
    return this.touched(ctx, await this.seen(ctx, id));
  }

  async create(ctx: SignedIn, { email, mrnSystem, ...input }: CreatePatient): Promise<PatientView> {
    checkBirthDate(input.birthDate, ctx.now);
    const manager = await ctx.db.manager();
    const id = newId();
    await manager.insert(Patient, {
      ...input,
      id,
      mrnSystem: mrnSystem ?? this.config.hospital.mrnSystem,
      email: email ?? null,
      createdAt: ctx.now,
      updatedAt: ctx.now,
    });
    return this.get(ctx, id);
  }

  async update(ctx: SignedIn, id: string, version: number, input: UpdatePatient): Promise<PatientView> {
    const patient = await this.seen(ctx, id);
    authorize(ctx, 'update', 'Patient', patient);
    if (patient.version !== version) throw staleVersion();
    if (input.birthDate !== undefined) checkBirthDate(input.birthDate, ctx.now);
    const manager = await ctx.db.manager();
    const { affected } = await manager.update(
      Patient,
      { id, version },
      { ...input, version: version + 1, updatedAt: ctx.now },
    );
    if (affected !== 1) throw staleVersion();
    const { email, hasAccount } = patient;
    if (!hasAccount && email !== null && input.email !== undefined && input.email !== email)
      await ctx.emit(new ChartEmailReplaced(id, email));
    return this.touched(ctx, await this.seen(ctx, id), version);
  }

  /** Whom an invitation to this chart goes to, if the actor may invite them and there is nobody yet whom the chart is tied to. */
  async toInvite(ctx: SignedIn, id: string, wanted: string | undefined): Promise<InvitedPatient> {
    const patient = await this.seen(ctx, id);
    authorize(ctx, 'invite', 'Patient', patient);
    if (patient.hasAccount) throw chartHasAccount();
    if (!isWholeDate(patient.birthDate)) throw birthDateNeeded();
    const email = wanted ?? patient.email;
    if (email === null) throw emailNeeded();
    this.touched(ctx, patient);
    return { patientId: id, email, chartEmail: patient.email };
  }

  /** The patient, if the actor may see them at all; leaves no trace yet. */
  async seen(ctx: SignedIn, id: string): Promise<PatientView> {
    const patient = await this.patients.find(ctx, id);
    if (!patient) throw notFound();
    authorize(ctx, 'read', 'Patient', patient);
    return patient;
  }

  private touched(ctx: SignedIn, patient: PatientView, previousVersion?: number): PatientView {
    const { id, version } = patient;
    ctx.touch({ patientId: id, type: 'Patient', id, category: 'demographics', version, previousVersion });
    return patient;
  }
}
