import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { AuditSink } from '../../../platform/access/audit-sink.js';
import { Clock } from '../../../platform/clock.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { hmac, KeyRing } from '../../../platform/crypto/index.js';
import { SystemPool } from '../../../platform/database/system-pool.js';
import { Logger } from '../../../platform/logging/logger.js';
import { AuditorPool } from '../tree/auditor-pool.js';
import { changeSince, settingsOf, type Setting } from './fingerprint.js';

const CODE = 'System.configure';
const LABEL = 'audit/configuration';
const HEAD = 'portico/configuration/1\0';
/** 120 bits: nobody without the key finds a value by trying, and two values never look the same. */
const DIGEST_CHARS = 20;

const LAST = `SELECT leaf FROM audit.entry e WHERE e.action COLLATE "C" = '${CODE}' ORDER BY e.idx DESC LIMIT 1`;

/**
 * A portal that starts with other settings than the last one leaves an event: which have changed, and keyed digests of them before and
 * now; never a value, because some are secrets and no leaf can be erased. What was before stands in the log itself. Two processes
 * that start at the same moment may both tell it.
 */
@Injectable()
export class ConfigurationChanges implements OnApplicationBootstrap {
  private readonly settings: readonly Setting[];

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly ring: KeyRing,
    private readonly auditor: AuditorPool,
    private readonly system: SystemPool,
    private readonly sink: AuditSink,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {
    this.settings = settingsOf(config);
  }

  /** With the first heartbeat, where there are any. A database that is away is told of, and keeps nobody from starting. */
  async onApplicationBootstrap(): Promise<void> {
    if (this.config.audit.heartbeatSeconds === 0) return;
    await this.tell().catch((error: unknown) =>
      this.logger.error('it could not be told whether the configuration has changed', error, { code: CODE }),
    );
  }

  /** Resolves with the names of what has changed, or null where nothing has. */
  async tell(): Promise<string[] | null> {
    const previous = await this.previous();
    const { changed, before } = changeSince(previous ?? [], this.settings, (setting) => this.digestsOf(setting));
    if (previous !== null && changed.length === 0) return null;
    const settings = this.settings.map((setting) => `${setting[0]}=${this.digestsOf(setting)[0]}`);
    await this.sink.system(this.system, {
      code: CODE,
      act: 'U',
      accountId: '',
      sessionId: null,
      reason: previous === null ? 'system.first-configuration' : 'system.configuration-changed',
      at: this.clock.now(),
      detail: { before, changed: previous === null ? [] : changed, settings },
    });
    return previous === null ? [] : changed;
  }

  private async previous(): Promise<readonly string[] | null> {
    const [row] = await this.auditor.query<{ leaf: string }>(LAST);
    if (!row) return null;
    return (JSON.parse(row.leaf) as { e: { det: { settings: string[] } } }).e.det.settings;
  }

  /** Under the present key first, then under former ones. The name is in it: equal values of two settings do not look equal. */
  private digestsOf([name, value]: Setting): string[] {
    return this.ring
      .subkeys(LABEL)
      .map((key) => hmac(key, HEAD, `${name}\0${value}`).toString('base64url').slice(0, DIGEST_CHARS));
  }
}
