import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
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

/** Not before the first mail: it takes 2 MB of memory. */
const nodemailer = async () => (await import('nodemailer')).default;

/** The message as it would be sent (RFC 5322). */
async function written(from: string, mail: Mail): Promise<Buffer> {
  const transport = (await nodemailer()).createTransport({ streamTransport: true, buffer: true });
  const { message } = await transport.sendMail({ from, ...mail });
  return message as Buffer;
}

/** SMTP through nodemailer. */
class Smtp implements MailSender {
  private transport: Promise<{ sendMail(mail: Mail & { from: string }): Promise<unknown> }> | null = null;

  constructor(
    private readonly url: string,
    private readonly from: string,
  ) {}

  async mail(mail: Mail): Promise<void> {
    this.transport ??= nodemailer().then((mailer) =>
      mailer.createTransport(this.url, { disableFileAccess: true, disableUrlAccess: true }),
    );
    await (await this.transport).sendMail({ from: this.from, ...mail });
  }
}

/** A folder of .eml and .sms files that a person can open: for demo and development, never production. */
class Mailbox implements MailSender, SmsSender {
  constructor(
    private readonly folder: string,
    private readonly from: string,
  ) {}

  async mail(mail: Mail): Promise<void> {
    await this.write(`${newId()}.eml`, await written(this.from, mail));
  }

  async send({ to, text }: Sms): Promise<void> {
    await this.write(`${newId()}.sms`, `To: ${to}\n\n${text}\n`);
  }

  private async write(file: string, content: Buffer | string): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    await writeFile(join(this.folder, file), content, { mode: 0o600 });
  }
}

/** RFC 2606: no such domain can be. */
const NOBODY = 'nobody@portal.invalid';

class ConfiguredDelivery extends Delivery {
  constructor(
    private readonly mails: MailSender,
    private readonly texts: SmsSender,
    private readonly from: string,
  ) {
    super();
  }

  mail(mail: Mail): Promise<void> {
    return this.mails.mail(mail);
  }

  sms(sms: Sms): Promise<void> {
    return this.texts.send(sms);
  }

  async decoy(mail: Mail): Promise<void> {
    await written(this.from, { ...mail, to: NOBODY });
  }
}

/** SMTP and the SMS gateway where they are configured; what is not goes to the mailbox folder. */
export function deliveryOf(config: Config): Delivery {
  const mailbox = new Mailbox(join(config.dataDir, 'mailbox'), config.mail.from);
  return new ConfiguredDelivery(
    config.mail.smtpUrl === '' ? mailbox : new Smtp(config.mail.smtpUrl, config.mail.from),
    config.sms.webhookUrl === '' ? mailbox : new SmsGateway(config.sms),
    config.mail.from,
  );
}
