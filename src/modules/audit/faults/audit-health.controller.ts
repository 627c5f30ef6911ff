import { Controller, Get } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import { AuditHealthView } from './audit-health.dto.js';
import { AuditHealth } from './audit-health.service.js';

@Controller('v1/audit/health')
export class AuditHealthController {
  constructor(private readonly health: AuditHealth) {}

  @Get()
  @Endpoint({
    action: 'read',
    subject: 'AuditHealth',
    summary: 'How the audit trail is kept: alarms, what waits, which server processes were heard last when',
    response: AuditHealthView,
  })
  read(@ReqCtx() ctx: SignedIn): Promise<AuditHealthView> {
    return this.health.read(ctx);
  }
}
