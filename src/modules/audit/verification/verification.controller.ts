import { Body, Controller, Get, Post } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import { StartVerification, VerificationStateView } from './verification.dto.js';
import { VerificationService } from './verification.service.js';

@Controller('v1/audit/verify')
export class VerificationController {
  constructor(private readonly verifications: VerificationService) {}

  @Get()
  @Endpoint({
    action: 'read',
    subject: 'AuditVerification',
    summary: 'Is the audit trail what it was? The last verification, and whether one runs',
    response: VerificationStateView,
  })
  state(@ReqCtx() ctx: SignedIn): Promise<VerificationStateView> {
    return this.verifications.state(ctx);
  }

  @Post()
  @Endpoint({
    action: 'check',
    subject: 'AuditVerification',
    summary: 'Verify the audit trail now, in the background',
    response: VerificationStateView,
    status: 202,
    work: 'read',
  })
  start(@ReqCtx() ctx: SignedIn, @Body() input: StartVerification): Promise<VerificationStateView> {
    return this.verifications.start(ctx, input);
  }
}
