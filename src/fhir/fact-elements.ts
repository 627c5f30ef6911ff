/** Where each type keeps what a list of records shows; the first path that holds something wins. */
export interface FactElements {
  /** CodeableConcept, Coding, or a Reference with a display. */
  code?: readonly string[];
  /** Plain words, asked when no code has any, or before the code when `wordsFirst`. */
  words?: readonly string[];
  wordsFirst?: boolean;
  category?: readonly string[];
  effective?: readonly string[];
  status?: readonly string[];
}

const MEDICATION = ['medicationCodeableConcept', 'medicationReference'];
const CLAIM: FactElements = {
  code: ['type', 'subType'],
  category: ['type'],
  effective: ['billablePeriod.start', 'created'],
};

export const FACT_ELEMENTS: Readonly<Record<string, FactElements>> = {
  AllergyIntolerance: { effective: ['onsetDateTime', 'onsetPeriod.start', 'recordedDate'] },
  Appointment: { code: ['serviceType', 'appointmentType'], words: ['description'], effective: ['start', 'created'] },
  Binary: { words: ['contentType'] },
  Bundle: { words: ['type'], effective: ['timestamp'] },
  CarePlan: {
    code: ['category'],
    words: ['title', 'description'],
    wordsFirst: true,
    effective: ['period.start', 'created'],
  },
  CareTeam: { code: ['category', 'reasonCode'], words: ['name'], wordsFirst: true, effective: ['period.start'] },
  Claim: CLAIM,
  ClaimResponse: CLAIM,
  Communication: { code: ['topic', 'reasonCode'], effective: ['sent', 'received'] },
  Composition: { code: ['type'], words: ['title'], wordsFirst: true, effective: ['date'] },
  Condition: { effective: ['onsetDateTime', 'onsetPeriod.start', 'recordedDate'] },
  Consent: { code: ['scope', 'category'], effective: ['dateTime'] },
  Coverage: {
    code: ['type', 'class.type', 'payor'],
    words: ['class.name'],
    category: ['type'],
    effective: ['period.start'],
  },
  Device: {
    code: ['type'],
    words: ['deviceName.name', 'udiCarrier.deviceIdentifier', 'distinctIdentifier'],
    effective: ['manufactureDate'],
  },
  DiagnosticReport: { effective: ['effectiveDateTime', 'effectivePeriod.start', 'issued'] },
  DocumentReference: {
    code: ['type'],
    words: ['description', 'content.attachment.title'],
    effective: ['date', 'context.period.start'],
  },
  Encounter: { code: ['type', 'serviceType', 'class'], category: ['class'], effective: ['period.start'] },
  Endpoint: { code: ['connectionType'], words: ['name'], wordsFirst: true, effective: ['period.start'] },
  EpisodeOfCare: { code: ['type'], effective: ['period.start'] },
  ExplanationOfBenefit: CLAIM,
  FamilyMemberHistory: { code: ['relationship'], words: ['name'], effective: ['date'] },
  Flag: { effective: ['period.start'] },
  Goal: {
    code: ['description'],
    effective: ['startDate', 'statusDate', 'target.dueDate'],
    status: ['lifecycleStatus'],
  },
  Group: { code: ['code'], words: ['name', 'type'], wordsFirst: true },
  HealthcareService: { code: ['type', 'category'], words: ['name'], wordsFirst: true },
  ImagingStudy: {
    code: ['procedureCode', 'series.bodySite', 'modality', 'series.modality'],
    words: ['description'],
    category: ['modality', 'series.modality'],
    effective: ['started'],
  },
  Immunization: { code: ['vaccineCode'], effective: ['occurrenceDateTime', 'occurrenceString', 'recorded'] },
  InsurancePlan: { code: ['type'], words: ['name'], wordsFirst: true, effective: ['period.start'] },
  List: { code: ['code'], words: ['title'], wordsFirst: true, effective: ['date'] },
  Location: { code: ['type'], words: ['name', 'description'], wordsFirst: true },
  Media: {
    code: ['type', 'modality', 'view'],
    words: ['content.title'],
    category: ['type'],
    effective: ['createdDateTime', 'createdPeriod.start', 'issued'],
  },
  MedicationAdministration: { code: MEDICATION, effective: ['effectiveDateTime', 'effectivePeriod.start'] },
  MedicationDispense: { code: MEDICATION, effective: ['whenHandedOver', 'whenPrepared'] },
  MedicationRequest: { code: MEDICATION, effective: ['authoredOn'] },
  MedicationStatement: { code: MEDICATION, effective: ['effectiveDateTime', 'effectivePeriod.start', 'dateAsserted'] },
  Observation: {
    effective: ['effectiveDateTime', 'effectivePeriod.start', 'effectiveInstant', 'effectiveTiming.event', 'issued'],
  },
  Organization: { code: ['type'], words: ['name', 'alias'], wordsFirst: true },
  PractitionerRole: { code: ['code', 'specialty', 'practitioner'], effective: ['period.start'] },
  Procedure: { effective: ['performedDateTime', 'performedPeriod.start', 'performedString'] },
  Provenance: { code: ['activity'], effective: ['recorded', 'occurredDateTime', 'occurredPeriod.start'] },
  QuestionnaireResponse: { words: ['_questionnaire.extension.valueString'], effective: ['authored'] },
  RelatedPerson: { code: ['relationship'], effective: ['period.start'] },
  ServiceRequest: { effective: ['occurrenceDateTime', 'occurrencePeriod.start', 'authoredOn'] },
  Specimen: {
    code: ['type'],
    effective: ['collection.collectedDateTime', 'collection.collectedPeriod.start', 'receivedTime'],
  },
  Task: { code: ['code'], words: ['description'], effective: ['authoredOn', 'lastModified'] },
};

/** For types without a row of their own. */
export const OTHER_TYPES: FactElements = {
  code: ['code', 'type'],
  words: ['title', 'name', 'description'],
  effective: [
    'effectiveDateTime',
    'date',
    'authoredOn',
    'recorded',
    'created',
    'sent',
    'issued',
    'period.start',
    'start',
  ],
};
