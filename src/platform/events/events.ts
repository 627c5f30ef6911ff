import type { Ctx } from '../access/context.js';

/** Something that happened, in the past tense. Modules declare theirs as classes; ids only, no entities. */
export abstract class DomainEvent {}

type Listener<E extends DomainEvent> = (ctx: Ctx, event: E) => Promise<void>;
type EventClass<E extends DomainEvent> = abstract new (...args: never[]) => E;

/** Typed events inside the transaction: a listener that throws rolls back the write that caused it. */
export class Events {
  private readonly listeners = new Map<unknown, Listener<DomainEvent>[]>();

  on<E extends DomainEvent>(type: EventClass<E>, listener: Listener<E>): void {
    this.listeners.set(type, [...(this.listeners.get(type) ?? []), listener as Listener<DomainEvent>]);
  }

  async emit(ctx: Ctx, event: DomainEvent): Promise<void> {
    for (const listener of this.listeners.get(event.constructor) ?? []) await listener(ctx, event);
  }
}
