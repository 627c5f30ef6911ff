import type { Hl7Context, Hl7Field, Hl7Segment } from '@medplum/core';
import { unescaped } from './escapes.js';
import { Hl7Fault, type Hl7Error } from './fault.js';
import { dateTimeOf, type SenderZone } from './times.js';

/** HL7's way to say that a value is to be taken away; FHIR has no word for it but leaving it out. */
const NULL = '""';

/** One repetition of a field. Components and parts of them are counted from 1, as the standard does; empty ones are undefined. */
export class Repetition {
  constructor(
    private readonly components: readonly string[],
    private readonly context: Hl7Context,
  ) {}

  get(component = 1, part?: number): string | undefined {
    const raw = this.components[component - 1] ?? '';
    // Without a part the component is a text, and an & in it that nobody escaped a letter.
    return this.plain(part === undefined ? raw : (raw.split(this.context.subcomponentSeparator)[part - 1] ?? ''));
  }

  /** All of it as words, for what has no place of its own. */
  get words(): string | undefined {
    const parts = this.components.flatMap((component) => component.split(this.context.subcomponentSeparator));
    const words = parts.flatMap((part) => this.plain(part) ?? []);
    return words.length === 0 ? undefined : words.join(' ');
  }

  /** A text: separators in it that the sender forgot to escape are letters. */
  get text(): string | undefined {
    return this.plain(this.components.join(this.context.componentSeparator));
  }

  private plain(raw: string): string | undefined {
    const text = raw === NULL ? '' : unescaped(raw, this.context);
    return text.trim() === '' ? undefined : text;
  }
}

/** A segment with its place in the message. Everything that is read of it goes through here; nothing here throws but faults. */
export class Segment {
  readonly name: string;

  constructor(
    private readonly segment: Hl7Segment,
    /** From 1. */
    readonly line: number,
    /** How manieth of its name, from 1. */
    readonly sequence: number,
  ) {
    this.name = segment.name;
  }

  all(field: number): Repetition[] {
    // The library types a field that is not there as one that is.
    const found = this.segment.getField(field) as Hl7Field | undefined;
    if (found === undefined) return [];
    const { context } = this.segment;
    return found.components
      .filter((components) => components.some((component) => component !== ''))
      .map((components) => new Repetition(components, context));
  }

  first(field: number): Repetition | undefined {
    return this.all(field)[0];
  }

  get(field: number, component = 1, part?: number): string | undefined {
    return this.first(field)?.get(component, part);
  }

  /** As it stands there, for an answer that repeats it. */
  raw(field: number): string {
    return (this.segment.getField(field) as Hl7Field | undefined)?.toString() ?? '';
  }

  /** FHIR dateTime, or a fault: a time that cannot be read is no time that can be left out. */
  time(field: number, zone: SenderZone): string | undefined {
    const text = this.get(field);
    if (text === undefined) return undefined;
    const time = dateTimeOf(text, zone);
    if (time === undefined) throw this.fault('time', '102', field, 'This is no time of HL7.');
    return time;
  }

  required(field: number, component = 1): string {
    const text = this.get(field, component);
    if (text === undefined) throw this.fault('missing-field', '101', field, 'This field is needed and empty.');
    return text;
  }

  fault(code: string, error: Hl7Error, field: number | undefined, detail: string, isReject = false): Hl7Fault {
    const { line, name: segment, sequence } = this;
    return new Hl7Fault(code, error, { line, segment, sequence, field }, detail, isReject);
  }
}
