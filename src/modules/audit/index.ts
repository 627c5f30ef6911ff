export { AuditModule } from './audit.module.js';
export { auditPolicy } from './audit.policy.js';
export { bundleReportLines, Unverifiable, verifyBundle, type BundleReport } from './verification/index.js';
export { NewOriginError, openNewOrigin } from './sealing/new-origin.js';
