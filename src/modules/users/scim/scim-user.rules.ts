import { isEmail } from 'class-validator';
import { scimPatch, ScimError, type ScimPatchOperation, type ScimResource } from 'scim-patch';
import { isUnassigned, tidyResource, tidyValue, type Plain } from './scim-body.js';
import { changesOf, type Change } from './scim-path.js';
import type { ScimEmailInput, ScimUserInput } from './scim-user.dto.js';
import { invalidPath, invalidValue, noTarget } from './scim.errors.js';
import { USER } from './scim.schemas.js';

/** Everything of a user that the directory decides. */
export interface Profile {
  username: string;
  externalId: string | null;
  displayName: string;
  familyName: string | null;
  givenName: string | null;
  title: string | null;
  email: string;
  isActive: boolean;
}

const joined = (...parts: (string | null | undefined)[]): string => parts.filter(Boolean).join(' ');

/** The name that others see where the directory names none. */
const nameOf = ({ givenName, familyName, username }: Pick<Profile, 'givenName' | 'familyName' | 'username'>): string =>
  joined(givenName, familyName) || username;

/** The last one that is primary, so that an added one counts; else the first for work, else the first. */
function addressIn(emails: readonly ScimEmailInput[], username: string): string {
  const chosen =
    emails.findLast((one) => one.primary === true) ??
    emails.find((one) => one.type?.toLowerCase() === 'work') ??
    emails[0];
  const address = chosen?.value ?? username;
  if (!isEmail(address)) throw invalidValue('emails: one address is needed.');
  return address;
}

/** What a whole resource says (POST, PUT); `active` stays as it is where it says nothing. */
export function profileOf(input: ScimUserInput, isActive: boolean): Profile {
  const { userName: username, name = {} } = input;
  const parts = { username, familyName: name.familyName ?? null, givenName: name.givenName ?? null };
  return {
    ...parts,
    externalId: input.externalId ?? null,
    displayName: input.displayName ?? name.formatted ?? nameOf(parts),
    title: input.title ?? null,
    email: addressIn(input.emails ?? [], username),
    isActive: input.active ?? isActive,
  };
}

/** The resource that a PATCH starts from. A name that was made of the parts is made anew. */
function documentOf(profile: Profile): Plain {
  const { username, externalId, displayName, familyName, givenName, title, email, isActive } = profile;
  const document: Plain = {
    userName: username,
    externalId,
    displayName: displayName === nameOf(profile) ? null : displayName,
    title,
    name: { familyName, givenName },
    active: isActive,
    emails: [{ value: email, type: 'work', primary: true }],
  };
  return tidyResource(USER, document);
}

function operationOf({ op, attribute, filter, sub, value }: Change): ScimPatchOperation {
  const path = `${attribute.name}${filter === null ? '' : `[${filter}]`}${sub === null ? '' : `.${sub.name}`}`;
  if (op === 'remove')
    return { op, path, ...(isUnassigned(value) ? {} : { value: tidyValue(value, attribute) as object }) };
  // One value of a multi-valued attribute, or a part of it, is no list.
  const isOne = filter !== null && sub === null;
  const tidied = isOne ? tidyValue(value, { ...attribute, multiValued: false }) : tidyValue(value, sub ?? attribute);
  return { op, path, value: tidied };
}

/**
 * The resource after a PATCH body, still to be checked like any other. Only changes of known attributes get to the library,
 * whose paths would otherwise reach whatever they name, `__proto__` included.
 */
export function patched(profile: Profile, body: unknown, ownId: string): Plain {
  const operations = changesOf(USER, body, ownId).map(operationOf);
  const document = documentOf(profile) as unknown as ScimResource;
  try {
    return tidyResource(USER, scimPatch(document, operations));
  } catch (error) {
    const code = error instanceof ScimError ? error.scimCode : undefined;
    if (code === 'noTarget') throw noTarget();
    if (code === 'invalidPath') throw invalidPath();
    // Nothing but the input decides here: whatever else the library stumbles over was sent.
    throw invalidValue();
  }
}
