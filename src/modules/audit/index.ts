export { AuditModule } from './audit.module.js';
export { auditPolicy } from './audit.policy.js';
export {
  bundleReportLines,
  logReportLines,
  Refusal,
  Unverifiable,
  verifyBundle,
  verifyDatabase,
} from './verification/index.js';
export { applyRetention, RetentionError } from './retention/operator.js';
export { NewOriginError, openNewOrigin } from './sealing/new-origin.js';
