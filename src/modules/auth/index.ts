export { AuthModule } from './auth.module.js';
export { authPolicy } from './auth.policy.js';
export { Invitations } from './invitations/invitations.service.js';
export { CsrfGuard } from './sessions/csrf.js';
export { JwtGuard } from './sessions/jwt.guard.js';
