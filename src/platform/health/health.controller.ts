import { Controller, Get } from '@nestjs/common';
import { Endpoint } from '../access/endpoint.js';
import { SystemPool } from '../database/system-pool.js';
import { Text } from '../http/fields.js';

export class HealthView {
  @Text({ description: '`ok`; anything else is an error status.' })
  status: string;
}

@Controller('health')
export class HealthController {
  constructor(private readonly system: SystemPool) {}

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
    response: HealthView,
    work: 'none',
    background: true,
  })
  async ready(): Promise<HealthView> {
    await this.system.query('SELECT 1');
    return { status: 'ok' };
  }
}
