import { Injectable } from '@nestjs/common';
import { Metrics } from '../../../platform/metrics/metrics.js';

/** Events by which somebody comes in, or wants to. */
const STEPS = new Set(['login', 'verify', 'refresh']);

/** How sign-ins end, by code: a rush of refusals is an attack or a fault, and nobody looks at it one by one. */
@Injectable()
export class SignInMetrics {
  constructor(metrics: Metrics) {
    const results = metrics.counter(
      'portico_sign_ins_total',
      'Sign-ins and their steps: opened a session, needs one more step, or the code of the refusal',
      ['step', 'result'],
    );
    metrics.onAnswer(({ endpoint, code, sessionId }, status) => {
      if (endpoint?.subject !== 'Session' || !STEPS.has(endpoint.action)) return;
      const result = code ?? (status >= 400 ? 'other' : sessionId === null ? 'next-step' : 'opened');
      results.inc({ step: endpoint.action, result });
    });
  }
}
