/** A notice to one person. Says that there is something, never what: no clinical content leaves the portal. */
export interface Mail {
  to: string;
  subject: string;
  text: string;
  /** What its patient wants sent: encrypted, because mail is not. */
  attachments?: MailAttachment[];
}

export interface MailAttachment {
  filename: string;
  contentType: string;
  content: string;
  encoding: 'base64';
}

/** A text message to one mobile device; `to` is the number in E.164. The same rule: no clinical content. */
export interface Sms {
  to: string;
  text: string;
}

/** Port for notices. Rejects when the message was not handed over, so that the outbox tries again. */
export abstract class Delivery {
  abstract mail(mail: Mail): Promise<void>;

  abstract sms(sms: Sms): Promise<void>;

  /** The work of {@link mail} for nobody: that a mail was sent must not show in what the next request has to wait for. */
  abstract decoy(mail: Mail): Promise<void>;
}
