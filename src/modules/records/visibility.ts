import type { SignedIn } from '../../platform/access/context.js';
import type { Params } from '../../platform/database/accessible.js';

// While the rules' labels are worked out anew, those that stand are not relied on.
const LABELS = (alias: string): string =>
  `CASE WHEN (SELECT records.is_relabelling()) THEN records.labels_of(${alias}.sender_labels, ${alias}.codes, ${alias}.departments, ${alias}.encounter_id) ELSE ${alias}.labels END`;

/**
 * Which records of the charts that are open to the actor they may see, as SQL over `r`. Who treats the patient sees all.
 * Patients see all but what a clinician holds back, and results that no clinician has looked at where that is their own
 * wish; who acts for them the same, without what is sensitive and not open to them. It stands in every statement, counts
 * and cursors included, so that nothing hints at what is left out. Row-level security says the same independently.
 */
export function visible(ctx: SignedIn, params: Params, patientId?: string): string {
  const { roles, panel, patientIds, proxied } = ctx.actor;
  const isAsked = (id: string): boolean => patientId === undefined || id === patientId;
  const treated = roles.has('clinician') ? [...panel].filter(isAsked) : [];
  if (patientId !== undefined && treated.length > 0) return 'true';
  const own = roles.has('patient') ? patientIds.filter(isAsked) : [];
  const charts = [
    ...(own.length > 0 ? [`r.patient_id = ANY (${params.add(own)}::uuid[])`] : []),
    ...(roles.has('proxy') ? [...proxied].filter(([id]) => isAsked(id)) : []).map(
      ([id, labels]) => `r.patient_id = ${params.add(id)}::uuid AND ${LABELS('r')} <@ ${params.add(labels)}::text[]`,
    ),
  ];
  const isTreated = treated.length > 0 ? [`r.patient_id = ANY (${params.add(treated)}::uuid[])`] : [];
  if (charts.length === 0) return isTreated[0] ?? 'false';
  const now = params.add(ctx.now);
  const released = `r.held_until <= ${now} AND (r.waits_until <= ${now} OR r.patient_id <> ALL ((SELECT records.waiting_charts())::uuid[]))`;
  return `(${[...isTreated, `(${charts.join(' OR ')}) AND ${released}`].join(' OR ')})`;
}

/** Whether an earlier version `v` of a visible record is open as well: it may have been more sensitive than the record is now. */
export function versionVisible(ctx: SignedIn, params: Params): string {
  const { roles, proxied, patientIds, panel } = ctx.actor;
  const free = [...(roles.has('clinician') ? panel : []), ...(roles.has('patient') ? patientIds : [])];
  const acted = (roles.has('proxy') ? [...proxied] : []).filter(([id]) => !free.includes(id));
  return [
    `v.patient_id = ANY (${params.add(free)}::uuid[])`,
    ...acted.map(
      ([id, labels]) => `v.patient_id = ${params.add(id)}::uuid AND ${LABELS('v')} <@ ${params.add(labels)}::text[]`,
    ),
  ].join(' OR ');
}

/** Does the actor see this chart as somebody who treats the patient, and not as the patient or for them? */
export const isTreating = ({ actor }: SignedIn, patientId: string): boolean =>
  actor.roles.has('clinician') && actor.panel.has(patientId);
