import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import nodemailer from 'nodemailer';
import { newId } from '../ids.js';
import type { Config } from '../config/config.js';
import { Delivery, type Mail } from './delivery.js';

/** SMTP through nodemailer. */
class SmtpDelivery extends Delivery {
  private readonly transport;

  constructor(
    url: string,
    private readonly from: string,
  ) {
    super();
    this.transport = nodemailer.createTransport(url, { disableFileAccess: true, disableUrlAccess: true });
  }

  async mail(mail: Mail): Promise<void> {
    await this.transport.sendMail({ from: this.from, ...mail });
  }
}

/** A folder of .eml files that a person can open: for demo and development, never production. */
class MailboxDelivery extends Delivery {
  private readonly transport = nodemailer.createTransport({ streamTransport: true, buffer: true });

  constructor(
    private readonly folder: string,
    private readonly from: string,
  ) {
    super();
  }

  async mail(mail: Mail): Promise<void> {
    const { message } = await this.transport.sendMail({ from: this.from, ...mail });
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    await writeFile(join(this.folder, `${newId()}.eml`), message as Buffer, { mode: 0o600 });
  }
}

export const deliveryOf = (config: Config): Delivery =>
  config.mail.smtpUrl === ''
    ? new MailboxDelivery(join(config.dataDir, 'mailbox'), config.mail.from)
    : new SmtpDelivery(config.mail.smtpUrl, config.mail.from);
