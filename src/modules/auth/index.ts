export { AuthModule } from './auth.module.js';
export { authPolicy } from './auth.policy.js';
export { Invitations } from './invitations.service.js';
export { JwtGuard } from './jwt.guard.js';
