import { Controller, Get } from '@nestjs/common';
import { Endpoint } from '../access/endpoint.js';
import { SystemPool } from '../database/system-pool.js';
import { Instant, Nested, OneOf, Text } from '../http/fields.js';
import { HealthChecks } from './health-checks.js';

export class HealthView {
  @Text({ description: '`ok`; anything else is an error status.' })
  status: string;
}

export class HealthCheckView {
  @Text({ description: 'What was looked at.' })
  name: string;

  @OneOf(['ok', 'alarm', 'unknown'], { description: '`alarm`: somebody has to look.' })
  status: string;

  @Text({ nullable: true, description: 'Code of what was found.' })
  code: string | null;

  @Instant({ nullable: true, description: 'Since when, or as of when.' })
  since: string | null;
}

export class ReadinessView {
  @OneOf(['ok', 'alarm'], {
    description: '`alarm`: requests are served, but one of the checks needs somebody to look.',
  })
  status: string;

  @Nested(() => HealthCheckView, { many: 50, description: 'What the parts of the portal say of themselves.' })
  checks: HealthCheckView[];
}

@Controller('health')
export class HealthController {
  constructor(
    private readonly system: SystemPool,
    private readonly checks: HealthChecks,
  ) {}

  @Get('live')
  @Endpoint({
    action: 'check',
    subject: 'System',
    summary: 'Is the process alive?',
    access: 'public',
    response: HealthView,
    work: 'none',
    unaudited: true,
  })
  live(): HealthView {
    return { status: 'ok' };
  }

  @Get('ready')
  @Endpoint({
    action: 'check',
    subject: 'System',
    summary: 'Can requests be served (database, audit trail)?',
    access: 'public',
    response: ReadinessView,
    work: 'none',
    background: true,
  })
  async ready(): Promise<ReadinessView> {
    await this.system.query('SELECT 1');
    const checks = this.checks.all().map(([name, { status, code, since }]) => ({
      name,
      status,
      code: code ?? null,
      since: since?.toISOString() ?? null,
    }));
    return { status: checks.some(({ status }) => status === 'alarm') ? 'alarm' : 'ok', checks };
  }
}
