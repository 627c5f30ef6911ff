import { ANALYTES, PANELS, type Analyte, type AnalyteKey, type PanelKey } from '../codes/labs.js';
import type { IllnessKey } from '../codes/problems.js';
import { addMinutes, earliest, instant, localTime } from '../core/dates.js';
import { hl7, loinc, quantity, snomed } from '../core/fhir.js';
import { Decimal, type JsonObject } from '../core/json.js';
import { organizationRef } from '../directory.js';
import { ageAt } from '../person.js';
import type { Chart, Reference } from './chart.js';
import { rangeFor, sample } from './lab-values.js';

export type LabStatus = 'final' | 'preliminary' | 'corrected';

export interface LabOrder {
  panel: PanelKey;
  at: Date;
  encounter: Reference;
  requester: JsonObject;
  status: LabStatus;
  /** Whether the order itself is in the feed; many are not. */
  ordered: boolean;
  illness?: IllnessKey;
}

export function recordPanel(chart: Chart, order: LabOrder): void {
  const panel = PANELS[order.panel];
  const delay = chart.random.int(240, 900) + (order.status === 'corrected' ? 2 * 1440 : 0);
  const issued = earliest(addMinutes(order.at, delay), addMinutes(chart.person.end, -5));
  const request = order.ordered ? recordOrder(chart, order) : undefined;
  const values = sample(order.panel, chart.person, order.at, chart.random, order.illness);
  // An estimate for adults only; the equation does not hold for children.
  if (ageAt(chart.person, order.at) < 18) values.delete('egfr');
  const result = [...values].map(([key, value]) => recordResult(chart, order, issued, key, value));
  chart.add({
    type: 'DiagnosticReport',
    at: issued,
    profile: 'diagnosticreport-lab',
    body: {
      basedOn: request && [request],
      status: order.status,
      category: [hl7('v2-0074', 'LAB', 'Laboratory')],
      code: { ...loinc(panel.loinc, panel.display), text: panel.title },
      ...timing(chart, order, issued),
      result,
      conclusion: conclusionOf(order.status),
    },
  });
}

function recordOrder(chart: Chart, { panel, at, encounter, requester, status }: LabOrder): Reference {
  const { loinc: code, display, title } = PANELS[panel];
  return chart.add({
    type: 'ServiceRequest',
    at,
    profile: 'servicerequest',
    body: {
      status: status === 'preliminary' ? 'active' : 'completed',
      intent: 'order',
      category: [snomed('108252007', 'Laboratory procedure')],
      code: { ...loinc(code, display), text: title },
      subject: chart.subject,
      encounter,
      occurrenceDateTime: localTime(at),
      authoredOn: localTime(at),
      requester,
    },
  });
}

function recordResult(chart: Chart, order: LabOrder, issued: Date, key: AnalyteKey, raw: number): Reference {
  const analyte: Analyte = ANALYTES[key];
  const value = Decimal.of(raw, analyte.digits);
  const undetected = analyte.detectable != null && value.value < analyte.detectable;
  const shown = undetected ? Decimal.of(analyte.detectable ?? 0, analyte.digits) : value;
  const { low, high } = rangeFor(key, chart.person, order.at);
  const bound = (limit: number | undefined): JsonObject | undefined =>
    limit == null ? undefined : quantity(Decimal.of(limit, analyte.digits), analyte.unit, analyte.ucum);
  return chart.add({
    type: 'Observation',
    at: issued,
    profile: 'observation-lab',
    body: {
      status: order.status,
      category: [hl7('observation-category', 'laboratory', 'Laboratory')],
      code: loinc(analyte.loinc, analyte.display),
      ...timing(chart, order, issued),
      valueQuantity: {
        ...quantity(shown, analyte.unit, analyte.ucum),
        ...(undetected && { comparator: '<' }),
      },
      interpretation: [interpretation(value.value, low, high)],
      note:
        order.status === 'corrected'
          ? [{ text: 'Corrected: the first report gave the value of another sample.' }]
          : undefined,
      referenceRange: [{ low: bound(low), high: bound(high) }],
    },
  });
}

const timing = (chart: Chart, order: LabOrder, issued: Date): JsonObject => ({
  subject: chart.subject,
  encounter: order.encounter,
  effectiveDateTime: localTime(order.at),
  issued: instant(issued),
  performer: [organizationRef('laboratory')],
});

function interpretation(value: number, low?: number, high?: number): JsonObject {
  const system = 'v3-ObservationInterpretation';
  if (low != null && value < low) return hl7(system, 'L', 'Low');
  if (high != null && value > high) return hl7(system, 'H', 'High');
  return hl7(system, 'N', 'Normal');
}

function conclusionOf(status: LabStatus): string | undefined {
  if (status === 'preliminary') return 'Preliminary: results are being verified.';
  return status === 'corrected' ? 'Corrected report: it replaces the one released before.' : undefined;
}
