import type { Resource } from '../core/bundle.js';
import { addMinutes, earliest, instant } from '../core/dates.js';
import { usCore } from '../core/fhir.js';
import { fullUrlOf } from '../core/identity.js';
import type { JsonObject } from '../core/json.js';
import type { Random } from '../core/random.js';
import type { Person } from '../person.js';

export interface Reference extends JsonObject {
  reference: string;
}

export interface Entry {
  type: string;
  /** When it was written down in the source. */
  at: Date;
  /** US Core profile that it meets, by the last part of its name. */
  profile?: string;
  security?: JsonObject[];
  body: JsonObject;
}

/** One patient's growing bundle. Entries are numbered per type, so that the same entry has the same id in every run. */
export class Chart {
  readonly resources: Resource[] = [];
  readonly subject: Reference;
  private readonly counts = new Map<string, number>();

  constructor(
    readonly person: Person,
    readonly random: Random,
    /** Midnight of the day of the demonstration: nothing was written later. */
    private readonly today: Date,
  ) {
    this.subject = { reference: fullUrlOf('Patient', this.idOf('Patient', 1)) };
  }

  add({ type, at, profile, security, body }: Entry): Reference {
    const count = (this.counts.get(type) ?? 0) + 1;
    this.counts.set(type, count);
    const id = this.idOf(type, count);
    const lastUpdated = instant(earliest(addMinutes(at, this.random.int(5, 90)), addMinutes(this.today, -1)));
    const meta = { lastUpdated, profile: profile && [usCore(profile)], security };
    this.resources.push({ resourceType: type, id, meta, ...body });
    return { reference: fullUrlOf(type, id) };
  }

  private idOf(type: string, count: number): string {
    return `${this.person.mrn}-${type.toLowerCase()}-${count}`;
  }
}
