import { Flag, Instant, Nested, Text, Uuid, Whole } from '../../platform/http/fields.js';
import { PageQuery } from '../../platform/http/cursors.js';

export class RulesQuery extends PageQuery {}

const LABEL = /^[A-Za-z0-9._-]{1,40}$/;
const TOKEN = /^[^|\s]*\|[^|\s]+$/;

export class SensitivityRule {
  @Text({ max: 40, pattern: LABEL, description: 'What its records are labelled with, such as `PSY`, `SUD`, `HIV`.' })
  label: string;

  @Text({
    optional: true,
    max: 500,
    pattern: TOKEN,
    description: 'Records with this code among their codings, as `system|code`.',
  })
  code?: string;

  @Text({
    optional: true,
    max: 500,
    pattern: /^([^|\s]*\|[^|\s]+|(Organization|Location|HealthcareService)\/[0-9a-f-]{36})$/,
    description: 'Records and visits of this department: `system|code`, or `Organization/<id here>`.',
  })
  department?: string;
}

export class SensitivityRules {
  @Text({ max: 500, description: 'Why the rules are changed.' })
  reason: string;

  @Nested(() => SensitivityRule, { many: 5000, description: 'All rules: they replace those before.' })
  rules: SensitivityRule[];
}

export class RuleSetView {
  @Whole({ description: 'Version, the ETag for If-Match; 0 before there were any.' })
  version: number;

  @Uuid({ nullable: true, description: 'Account of who made them.' })
  madeBy: string | null;

  @Instant({ nullable: true, description: 'When.' })
  madeAt: Date | null;

  @Text({ min: 0, max: 500, description: 'Why.' })
  reason: string;

  @Flag({
    description: 'All records are labelled by them. Until then proxies are judged record by record as they read.',
  })
  isApplied: boolean;
}

export class RulesView extends RuleSetView {
  @Nested(() => SensitivityRule, { many: 5000, description: 'The rules.' })
  rules: SensitivityRule[];
}
