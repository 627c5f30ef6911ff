import { Text } from '../../../platform/http/fields.js';

export class EnrolSms {
  @Text({
    max: 40,
    description: 'Mobile number with country code (E.164); spaces make no difference.',
    example: '+447911123456',
  })
  number: string;
}

export class ConfirmSms {
  @Text({ max: 100, description: 'From the message.' })
  code: string;
}
