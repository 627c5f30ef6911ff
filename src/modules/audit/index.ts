export { AuditModule } from './audit.module.js';
export { auditPolicy } from './audit.policy.js';
