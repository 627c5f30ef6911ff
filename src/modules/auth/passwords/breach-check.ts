import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { Logger } from '../../../platform/logging/logger.js';
import { breachCheckUnavailable } from '../auth.errors.js';

const TIMEOUT_MS = 2_000;
const MOST_AT_ONCE = 8;
/** A padded answer has 800 to 1,000 lines of about 40 bytes. */
const MOST_BYTES = 256 * 1024;
const PREFIX = 5;
const LINE = /^[0-9A-F]{35}:\d{1,15}$/;

/**
 * Asks a service of leaked passwords by k-anonymity: it learns five hexadecimal digits of a SHA-1, one in a million, and
 * answers all that begin so (https://haveibeenpwned.com/API/v3#SearchingPwnedPasswordsByRange). Off unless configured.
 */
@Injectable()
export class BreachCheck {
  private running = 0;

  constructor(
    private readonly logger: Logger,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Throws auth.breach-check-unavailable (503) when the service does not answer as it should and the check is to fail closed. */
  async isBreached(password: string): Promise<boolean> {
    const { breachCheck } = this.config.passwords;
    if (breachCheck === 'off') return false;
    try {
      return await this.ask(password);
    } catch (error) {
      this.logger.error('leaked passwords could not be asked for', error);
      if (breachCheck === 'open') return false;
      throw breachCheckUnavailable();
    }
  }

  private async ask(password: string): Promise<boolean> {
    if (this.running >= MOST_AT_ONCE) throw new Error('too many questions at once');
    this.running++;
    try {
      const digest = createHash('sha1').update(password.normalize('NFC')).digest('hex').toUpperCase();
      const lines = await this.range(digest.slice(0, PREFIX));
      // Padding is lines with a count of 0.
      return lines.some((line) => line.startsWith(digest.slice(PREFIX)) && !line.endsWith(':0'));
    } finally {
      this.running--;
    }
  }

  /** The suffixes of a prefix, each with how often it leaked. Whoever answers anything else is not believed. */
  private async range(prefix: string): Promise<string[]> {
    const answer = await fetch(this.config.passwords.breachCheckUrl + prefix, {
      headers: { 'add-padding': 'true', 'user-agent': 'portico' },
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (answer.status !== 200) {
      await answer.body?.cancel();
      throw new Error('not answered with 200');
    }
    const lines = (await textOf(answer)).trimEnd().split(/\r?\n/);
    if (!lines.every((line) => LINE.test(line))) throw new Error('not answered with suffixes');
    return lines;
  }
}

async function textOf(answer: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (answer.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > MOST_BYTES) throw new Error('answered with too much');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('latin1');
}
