import { Injectable } from '@nestjs/common';
import type { SignedIn } from '../../../platform/access/context.js';
import { Problem } from '../../../platform/http/problem.js';
import type { StartVerification, VerificationStateView, VerificationView } from './verification.dto.js';
import { VerificationRepository, type Verification } from './verification.repository.js';
import { Verifier } from './verifier.js';

const viewOf = (result: Verification | null): VerificationView | null =>
  result && {
    number: result.id,
    scope: result.scope,
    accountId: result.accountId,
    startedAt: result.startedAt.toISOString(),
    finishedAt: result.finishedAt.toISOString(),
    verdict: result.verdict,
    from: result.from,
    size: result.size,
    root: result.root?.toString('base64') ?? null,
    sealedSize: result.sealedSize,
    finding: result.finding,
  };

const running = (): Problem =>
  new Problem(
    409,
    'audit.verification-running',
    'The audit trail is being verified already: ask for what comes of it.',
  );

/** What verifications of the trail have found, and one more when an officer wants it. */
@Injectable()
export class VerificationService {
  constructor(
    private readonly results: VerificationRepository,
    private readonly verifier: Verifier,
  ) {}

  async state(ctx: SignedIn): Promise<VerificationStateView> {
    const [isRunning, last, lastWhole] = await Promise.all([
      this.results.isRunning(),
      this.results.newest(),
      this.results.newest({ scope: 'whole' }),
    ]);
    if (last) ctx.touch({ patientId: null, type: 'AuditVerification', id: String(last.id) });
    return { running: isRunning, progress: this.verifier.progress, last: viewOf(last), lastWhole: viewOf(lastWhole) };
  }

  async start(ctx: SignedIn, { scope = 'increment' }: StartVerification): Promise<VerificationStateView> {
    if (!(await this.verifier.start({ scope, accountId: ctx.actor.id }))) throw running();
    return this.state(ctx);
  }
}
