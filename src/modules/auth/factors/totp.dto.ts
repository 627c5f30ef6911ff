import { OneOf, Text, Texts } from '../../../platform/http/fields.js';
import { OpenedView } from '../sessions/session.dto.js';

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
}

export class TotpView {
  @Text({ description: 'For typing into the app: base32, shown this once.' })
  secret: string;

  @Text({ max: 500, description: 'The same as a link for the app.' })
  otpauthUri: string;

  @Text({ max: 100_000, description: 'The link as a QR code, SVG.' })
  qrSvg: string;
}

export class EnrolledView extends OpenedView {
  @OneOf(['authenticated', 'confirmed'], { description: 'authenticated: the sign-in is finished too.' })
  status: string;

  @Texts({ description: 'Ten codes, each good once in place of the app. Shown this once.' })
  recoveryCodes: string[];
}
