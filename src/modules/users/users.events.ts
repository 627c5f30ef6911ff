import { DomainEvent } from '../../platform/events/events.js';

/** An account was opened (or opened again before it was ever used): its holder needs an activation code at this address. */
export class AccountInvited extends DomainEvent {
  constructor(
    readonly accountId: string,
    readonly email: string,
  ) {
    super();
  }
}

/** A patient may open an account tied to their chart: they need an activation code at this address. */
export class PatientInvited extends DomainEvent {
  constructor(
    readonly patientId: string,
    readonly email: string,
  ) {
    super();
  }
}

/** Nobody may go on working under this account. */
export class AccountDisabled extends DomainEvent {
  constructor(readonly accountId: string) {
    super();
  }
}

/** What the account may do has changed: whoever works under it signs in again. */
export class RolesChanged extends DomainEvent {
  constructor(readonly accountId: string) {
    super();
  }
}
