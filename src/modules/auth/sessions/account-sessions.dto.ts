import { Flag, Text, Uuid, Whole } from '../../../platform/http/fields.js';

const tidy = (text: string): string => text.trim().normalize('NFC');
const Why = () => Text({ min: 3, max: 500, normalise: tidy, description: 'Why; kept.' });

export class AccountSessionsParams {
  @Uuid({ description: 'Account.' })
  id: string;
}

export class EndSessions {
  @Why()
  reason: string;
}

export class EndEverybodys {
  @Why()
  reason: string;

  @Flag({ optional: true, description: 'The session that asks for it as well. Default: it goes on.' })
  includeCurrent?: boolean;
}

export class EndedView {
  @Whole({ min: 0, description: 'How many sessions ended.' })
  ended: number;
}
