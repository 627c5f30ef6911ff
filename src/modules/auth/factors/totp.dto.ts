import { Text } from '../../../platform/http/fields.js';
import type { Transport } from '../../../platform/http/cookies.js';
import { AskedTransport } from '../sessions/session.dto.js';

export class EnrolTotp {
  @Text({
    optional: true,
    max: 200,
    description: 'From the answer enrolment_required; left out by whoever is signed in.',
  })
  mfaToken?: string;
}

export class ConfirmTotp extends EnrolTotp {
  @Text({ max: 100, description: 'What the app shows.' })
  code: string;

  @AskedTransport()
  transport?: Transport;
}

export class TotpView {
  @Text({ description: 'For typing into the app: base32, shown this once.' })
  secret: string;

  @Text({ max: 500, description: 'The same as a link for the app.' })
  otpauthUri: string;

  @Text({ max: 100_000, description: 'The link as a QR code, SVG.' })
  qrSvg: string;
}
