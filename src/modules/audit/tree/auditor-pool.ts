import { Inject, Injectable, Optional, type OnApplicationShutdown } from '@nestjs/common';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { Pulse } from '../../../platform/database/pulse.js';
import { SystemPool } from '../../../platform/database/system-pool.js';

/** Connections of the auditor's role, by which alone the log is read: the server's own role may only submit to it. */
@Injectable()
export class AuditorPool extends SystemPool implements OnApplicationShutdown {
  constructor(@Inject(CONFIG) config: Config, @Optional() pulse?: Pulse) {
    super(config.database.auditorUrl, { max: 4, name: 'portico-auditor', statementTimeoutMs: 30_000, pulse });
  }

  onApplicationShutdown(): Promise<void> {
    return this.close();
  }
}

/** The same for what anybody may ask for: however many ask, officers, exports and verification keep their connections. */
@Injectable()
export class OpenPool extends SystemPool implements OnApplicationShutdown {
  constructor(@Inject(CONFIG) config: Config, @Optional() pulse?: Pulse) {
    super(config.database.auditorUrl, { max: 2, name: 'portico-open-proofs', statementTimeoutMs: 5_000, pulse });
  }

  onApplicationShutdown(): Promise<void> {
    return this.close();
  }
}
