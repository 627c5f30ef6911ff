import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import nodemailer from 'nodemailer';
import { newId } from '../ids.js';
import type { Config } from '../config/config.js';
import { Delivery, type Mail, type Sms } from './delivery.js';
import { SmsGateway } from './sms-gateway.js';

interface MailSender {
  mail(mail: Mail): Promise<void>;
}

interface SmsSender {
  send(sms: Sms): Promise<void>;
}

/** SMTP through nodemailer. */
class Smtp implements MailSender {
  private readonly transport;

  constructor(
    url: string,
    private readonly from: string,
  ) {
    this.transport = nodemailer.createTransport(url, { disableFileAccess: true, disableUrlAccess: true });
  }

  async mail(mail: Mail): Promise<void> {
    await this.transport.sendMail({ from: this.from, ...mail });
  }
}

/** A folder of .eml and .sms files that a person can open: for demo and development, never production. */
class Mailbox implements MailSender, SmsSender {
  private readonly transport = nodemailer.createTransport({ streamTransport: true, buffer: true });

  constructor(
    private readonly folder: string,
    private readonly from: string,
  ) {}

  async mail(mail: Mail): Promise<void> {
    const { message } = await this.transport.sendMail({ from: this.from, ...mail });
    await this.write(`${newId()}.eml`, message as Buffer);
  }

  async send({ to, text }: Sms): Promise<void> {
    await this.write(`${newId()}.sms`, `To: ${to}\n\n${text}\n`);
  }

  private async write(file: string, content: Buffer | string): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    await writeFile(join(this.folder, file), content, { mode: 0o600 });
  }
}

class ConfiguredDelivery extends Delivery {
  constructor(
    private readonly mails: MailSender,
    private readonly texts: SmsSender,
  ) {
    super();
  }

  mail(mail: Mail): Promise<void> {
    return this.mails.mail(mail);
  }

  sms(sms: Sms): Promise<void> {
    return this.texts.send(sms);
  }
}

/** SMTP and the SMS gateway where they are configured; what is not goes to the mailbox folder. */
export function deliveryOf(config: Config): Delivery {
  const mailbox = new Mailbox(join(config.dataDir, 'mailbox'), config.mail.from);
  return new ConfiguredDelivery(
    config.mail.smtpUrl === '' ? mailbox : new Smtp(config.mail.smtpUrl, config.mail.from),
    config.sms.webhookUrl === '' ? mailbox : new SmsGateway(config.sms),
  );
}
