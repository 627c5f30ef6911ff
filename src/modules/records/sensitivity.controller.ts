import { Body, Controller, Get, Put, Query } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../platform/access/context.js';
import { Endpoint } from '../../platform/access/endpoint.js';
import type { Page } from '../../platform/http/presenter.js';
import { RulesVersion } from './rules-version.js';
import { RulesQuery, RuleSetView, RulesView, SensitivityRules } from './sensitivity.dto.js';
import { SensitivityService } from './sensitivity.service.js';

@Controller('v1/sensitivity-rules')
export class SensitivityController {
  constructor(private readonly sensitivity: SensitivityService) {}

  @Get()
  @Endpoint({
    action: 'read',
    subject: 'SensitivityRules',
    summary: 'Which records are sensitive',
    response: RulesView,
  })
  get(@ReqCtx() ctx: SignedIn): Promise<RulesView> {
    return this.sensitivity.get(ctx);
  }

  @Get('versions')
  @Endpoint({
    action: 'list',
    subject: 'SensitivityRules',
    summary: 'All versions of these rules',
    response: RuleSetView,
    paged: true,
  })
  list(@ReqCtx() ctx: SignedIn, @Query() query: RulesQuery): Promise<Page<RuleSetView>> {
    return this.sensitivity.list(ctx, query);
  }

  @Put()
  @Endpoint({
    action: 'update',
    subject: 'SensitivityRules',
    summary: 'Replace these rules',
    response: RulesView,
    conditional: true,
    stepUpSeconds: 300,
  })
  change(
    @ReqCtx() ctx: SignedIn,
    @RulesVersion() version: number,
    @Body() input: SensitivityRules,
  ): Promise<RulesView> {
    return this.sensitivity.change(ctx, version, input);
  }
}
