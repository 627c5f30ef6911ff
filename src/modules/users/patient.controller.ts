import { Body, Controller, Get, Param, Patch, Post, Query } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../platform/access/context.js';
import { Endpoint } from '../../platform/access/endpoint.js';
import { IfMatch } from '../../platform/http/if-match.js';
import type { Page } from '../../platform/http/presenter.js';
import { CreatePatient, PatientParams, PatientQuery, PatientView, UpdatePatient } from './patient.dto.js';
import { PatientService } from './patient.service.js';

@Controller('v1/patients')
export class PatientController {
  constructor(private readonly patients: PatientService) {}

  @Post()
  @Endpoint({
    action: 'create',
    subject: 'Patient',
    summary: 'Register a patient',
    response: PatientView,
    status: 201,
    creates: true,
    location: '/v1/patients/:id',
  })
  create(@ReqCtx() ctx: SignedIn, @Body() input: CreatePatient): Promise<PatientView> {
    return this.patients.create(ctx, input);
  }

  @Get()
  @Endpoint({
    action: 'list',
    subject: 'Patient',
    summary: 'Patients whom the caller may see, by family name',
    response: PatientView,
    paged: true,
  })
  list(@ReqCtx() ctx: SignedIn, @Query() query: PatientQuery): Promise<Page<PatientView>> {
    return this.patients.list(ctx, query);
  }

  @Get(':id')
  @Endpoint({ action: 'read', subject: 'Patient', summary: 'Demographics of a patient', response: PatientView })
  get(@ReqCtx() ctx: SignedIn, @Param() { id }: PatientParams): Promise<PatientView> {
    return this.patients.get(ctx, id);
  }

  @Patch(':id')
  @Endpoint({
    action: 'update',
    subject: 'Patient',
    summary: 'Correct demographics',
    response: PatientView,
    conditional: true,
  })
  update(
    @ReqCtx() ctx: SignedIn,
    @Param() { id }: PatientParams,
    @IfMatch() version: number,
    @Body() input: UpdatePatient,
  ): Promise<PatientView> {
    return this.patients.update(ctx, id, version, input);
  }
}
