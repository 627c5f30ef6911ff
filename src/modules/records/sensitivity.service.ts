import { Injectable } from '@nestjs/common';
import { authorize, type SignedIn } from '../../platform/access/context.js';
import { Cursors, limitOf } from '../../platform/http/cursors.js';
import { staleVersion } from '../../platform/http/if-match.js';
import type { Page } from '../../platform/http/presenter.js';
import { oneOf } from './reading.errors.js';
import { Relabelling } from './relabelling.js';
import type { RulesQuery, RuleSetView, RulesView, SensitivityRules } from './sensitivity.dto.js';
import { SensitivityRepository } from './sensitivity.repository.js';

const LIST = 'records.sensitivity-rules';
const NONE: RuleSetView = { version: 0, madeBy: null, madeAt: null, reason: '', isApplied: true };

/** The hospital's rules of sensitivity. A change is a whole new version; records are labelled by it at once in the background. */
@Injectable()
export class SensitivityService {
  constructor(
    private readonly sets: SensitivityRepository,
    private readonly relabelling: Relabelling,
    private readonly cursors: Cursors,
  ) {}

  async get(ctx: SignedIn): Promise<RulesView> {
    authorize(ctx, 'read', 'SensitivityRules', {});
    const [set = NONE] = await this.sets.list(ctx, null, 1);
    ctx.touch({ patientId: null, type: 'SensitivityRules', id: String(set.version), version: set.version });
    return { ...set, rules: await this.sets.rules(ctx, set.version) };
  }

  async list(ctx: SignedIn, query: RulesQuery): Promise<Page<RuleSetView>> {
    authorize(ctx, 'list', 'SensitivityRules', {});
    const [before = null] = this.cursors.open<[number]>(ctx, LIST, query) ?? [];
    const rows = await this.sets.list(ctx, before, limitOf(query) + 1);
    return this.cursors.page(
      ctx,
      LIST,
      query,
      rows,
      ({ version }) => [version],
      (row) => row,
    );
  }

  /** `version`: of the rules that the caller has read. */
  async change(ctx: SignedIn, version: number, { reason, rules }: SensitivityRules): Promise<RulesView> {
    authorize(ctx, 'update', 'SensitivityRules', {});
    rules.forEach(({ code, department }, at) => {
      if ((code === undefined) === (department === undefined))
        throw oneOf(`/rules/${at}`, 'A rule is of a code or of a department.');
    });
    const [current = NONE] = await this.sets.list(ctx, null, 1);
    if (current.version !== version || !(await this.sets.make(ctx, version + 1, reason, rules))) throw staleVersion();
    ctx.afterCommit(() => this.relabelling.wake());
    return this.get(ctx);
  }
}
