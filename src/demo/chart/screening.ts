import { localTime } from '../core/dates.js';
import { coding, hl7, loinc, quantity, RESTRICTED_PSYCHIATRY, SYSTEM } from '../core/fhir.js';
import { Decimal, type JsonObject } from '../core/json.js';
import { isSensitive } from '../person.js';
import type { Chart, Reference } from './chart.js';

const QUESTIONS = [
  ['44250-9', 'Little interest or pleasure in doing things'],
  ['44255-8', 'Feeling down, depressed, or hopeless'],
] as const;

const ANSWERS = [
  ['LA6568-5', 'Not at all'],
  ['LA6569-3', 'Several days'],
  ['LA6570-1', 'More than half the days'],
  ['LA6571-9', 'Nearly every day'],
] as const;

/** A PHQ-2: the patient's own answers, and the score that a clinician reads. */
export function recordPhq2(chart: Chart, at: Date, encounter: Reference): number {
  const low = chart.person.slot.problems?.includes('depression');
  const scores = QUESTIONS.map(() => (low ? chart.random.int(1, 2) : chart.random.int(0, 1)));
  const total = scores.reduce((sum, score) => sum + score, 0);
  const response = chart.add({
    type: 'QuestionnaireResponse',
    at,
    profile: 'questionnaireresponse',
    security: isSensitive(chart.person) ? RESTRICTED_PSYCHIATRY : undefined,
    body: {
      questionnaire: 'http://loinc.org/q/55757-9',
      status: 'completed',
      subject: chart.subject,
      encounter,
      authored: localTime(at),
      author: chart.subject,
      item: [
        ...QUESTIONS.map(([linkId, text], index) => ({ linkId, text, answer: [answer(scores[index] ?? 0)] })),
        { linkId: '55758-7', text: 'Total score', answer: [{ valueDecimal: Decimal.of(total, 0) }] },
      ],
    },
  });
  recordScore(chart, at, encounter, total, response);
  return total;
}

function answer(score: number): JsonObject {
  const [code, display] = ANSWERS[score] ?? ANSWERS[0];
  return { valueCoding: coding([SYSTEM.loinc, code, display]) };
}

function recordScore(chart: Chart, at: Date, encounter: Reference, total: number, response: Reference): void {
  chart.add({
    type: 'Observation',
    at,
    profile: 'observation-screening-assessment',
    security: isSensitive(chart.person) ? RESTRICTED_PSYCHIATRY : undefined,
    body: {
      status: 'final',
      category: [hl7('observation-category', 'survey', 'Survey')],
      code: loinc('55758-7', 'Patient Health Questionnaire 2 item (PHQ-2) total score [Reported]'),
      subject: chart.subject,
      encounter,
      effectiveDateTime: localTime(at),
      valueQuantity: quantity(Decimal.of(total, 0), 'score', '{score}'),
      derivedFrom: [response],
    },
  });
}
