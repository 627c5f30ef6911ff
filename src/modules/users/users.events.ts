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

/** The directory gave the account another address. */
export class EmailReplaced extends DomainEvent {
  constructor(
    readonly accountId: string,
    readonly from: string,
    readonly to: string,
  ) {
    super();
  }
}

/** A chart without an account has another address: an invitation to it would go there. */
export class ChartEmailReplaced extends DomainEvent {
  constructor(
    readonly patientId: string,
    readonly from: string,
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

/** The same of many accounts at once, as when a large group of the directory changes. */
export class RolesOfManyChanged extends DomainEvent {
  constructor(readonly accountIds: readonly string[]) {
    super();
  }
}

/** What the account may do has changed: whoever works under it signs in again. */
export class RolesChanged extends DomainEvent {
  constructor(readonly accountId: string) {
    super();
  }
}
