export { MllpServer } from './mllp-server.js';
export { RecordsModule } from './records.module.js';
export { recordsPolicy } from './records.policy.js';
