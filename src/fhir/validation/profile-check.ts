import { OperationOutcomeError, validateTypedValue } from '@medplum/core';
import { profiles, type Profile } from '../definitions/profiles.js';
import { listOf, member, type JsonObject } from '../values.js';
import type { Finding } from './finding.js';
import { CONSTRAINT, pathOf, ruleOf, type Issue } from './medplum-check.js';

// Of a record that claims more profiles than this, the others are not looked at.
const MAX_PROFILES = 10;
const MAX_FINDINGS = 20;
const SLICE = /^Incorrect number of values provided for slice/;

/**
 * Judges a resource that is good R4 by the profiles that it claims in meta.profile, each in the version that it claims; where it
 * names none, it need meet one of them only. What is found never keeps a record out: it is stored, flagged and counted.
 */
export function checkProfiles(resource: JsonObject): Finding[] {
  const claimed = listOf(member(member(resource, 'meta'), 'profile')).filter((one) => typeof one === 'string');
  const findings = [...new Set(claimed)].slice(0, MAX_PROFILES).flatMap((canonical) => byOne(resource, canonical));
  return findings.slice(0, MAX_FINDINGS);
}

function byOne(resource: JsonObject, canonical: string): Finding[] {
  let found: Finding[] = [];
  for (const profile of profiles().named(canonical)) {
    found = byVersion(resource, profile);
    if (found.length === 0) return [];
  }
  return found;
}

function byVersion(resource: JsonObject, profile: Profile): Finding[] {
  if (profile.type !== resource.resourceType)
    return [findingOf(profile, String(resource.resourceType), 'The profile is one of another type of resource.')];
  const found = new Map<string, Finding>();
  const issues = issuesOf(resource, profile);
  if (!issues) return [notEvaluated(profile)];
  for (const issue of issues) {
    const detail = detailOf(issue);
    const path = pathOf(issue);
    if (detail !== undefined) found.set(`${path} ${detail}`, findingOf(profile, path, detail));
  }
  return [...found.values()];
}

const findingOf = (profile: Profile, path: string, detail: string): Finding => ({
  severity: 'warning',
  code: 'profile',
  path,
  detail: `${detail} (${profile.key})`,
  profile: profile.key,
});

/** Says nothing about the record: it is not flagged by it. */
const notEvaluated = ({ key }: Profile): Finding => ({
  ...{ severity: 'warning', code: 'not-evaluated', path: '' },
  detail: `A profile could not be evaluated. (${key})`,
});

/** Undefined: the library fell over the profile or the record. */
function issuesOf(value: JsonObject, { key: type }: Profile): Issue[] | undefined {
  try {
    return validateTypedValue({ type, value }, { base64BinaryMaxBytes: Number.POSITIVE_INFINITY });
  } catch (error) {
    if (error instanceof OperationOutcomeError) return error.outcome.issue ?? [];
    if (error instanceof RangeError) throw error;
    return undefined;
  }
}

/** What a record is in fault by; undefined: nothing, or what base R4 was asked for already. */
function detailOf({ severity, details }: Issue): string | undefined {
  const text = details?.text ?? '';
  if (severity !== 'error') return undefined;
  if (SLICE.test(text)) return 'A slice of the profile occurs too rarely or too often.';
  const constraint = CONSTRAINT.exec(text)?.[1];
  if (constraint !== undefined) return `Invariant ${constraint} of the profile is not met.`;
  return ruleOf(text)?.detail;
}
