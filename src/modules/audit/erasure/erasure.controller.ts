import { Body, Controller, Post } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import { CreateErasure, ErasureView } from './erasure.dto.js';
import { Erasures } from './erasure.service.js';

const STEP_UP_SECONDS = 300;

@Controller('v1/audit/erasures')
export class ErasureController {
  constructor(private readonly erasures: Erasures) {}

  @Post()
  @Endpoint({
    action: 'create',
    subject: 'AuditErasure',
    summary: "Erase an account's addresses and user agents from the audit trail",
    response: ErasureView,
    status: 201,
    creates: true,
    stepUpSeconds: STEP_UP_SECONDS,
  })
  create(@ReqCtx() ctx: SignedIn, @Body() input: CreateErasure): Promise<ErasureView> {
    return this.erasures.create(ctx, input);
  }
}
