import type { Ability } from './ability.js';
import type { Role } from './vocabulary.js';

/** How strongly, how and when the person was recognised (RFC 9470 `acr`, RFC 8176 `amr`). */
export interface Assurance {
  /** `aal1`: password only; `aal2`: password and a second factor. */
  acr: 'aal1' | 'aal2';
  amr: readonly string[];
  authTime: Date;
}

/** Who acts. Made by the auth module for each request from the live session, and carried by hand in {@link Ctx}. */
export interface Actor {
  /** The account's id. */
  readonly id: string;
  readonly roles: ReadonlySet<Role>;
  /** Charts that are the person's own. */
  readonly patientIds: readonly string[];
  readonly practitionerId: string | null;
  /** Patients whose care team the practitioner is on right now. */
  readonly panel: ReadonlySet<string>;
  /** Patients whom the person acts for, each with the labels of sensitive records that are open to them. */
  readonly proxied: ReadonlyMap<string, readonly string[]>;
  /** The feed that an integration account speaks for (a URI). */
  readonly source: string | null;
  readonly sessionId: string;
  readonly assurance: Assurance;
  readonly ability: Ability;
}
