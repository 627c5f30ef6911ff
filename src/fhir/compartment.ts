import { parseReference } from './references.js';
import { at, isObject, listOf, textAt, textOf } from './values.js';

// The element that says whose record it is, by the R4 patient compartment
// (https://hl7.org/fhir/R4/compartmentdefinition-patient.html) without its other roles: a patient who performed, asserted,
// received or paid for something of another patient does not own that record.
const PATIENT_ELEMENTS: Readonly<Record<string, readonly string[]>> = {
  Account: ['subject'],
  AdverseEvent: ['subject'],
  AllergyIntolerance: ['patient'],
  Appointment: ['participant.actor'],
  AppointmentResponse: ['actor'],
  AuditEvent: ['entity.what', 'agent.who'],
  Basic: ['subject'],
  BodyStructure: ['patient'],
  CarePlan: ['subject'],
  CareTeam: ['subject'],
  ChargeItem: ['subject'],
  Claim: ['patient'],
  ClaimResponse: ['patient'],
  ClinicalImpression: ['subject'],
  Communication: ['subject'],
  CommunicationRequest: ['subject'],
  Composition: ['subject'],
  Condition: ['subject'],
  Consent: ['patient'],
  Contract: ['subject'],
  Coverage: ['beneficiary'],
  CoverageEligibilityRequest: ['patient'],
  CoverageEligibilityResponse: ['patient'],
  DetectedIssue: ['patient'],
  Device: ['patient'],
  DeviceRequest: ['subject'],
  DeviceUseStatement: ['subject'],
  DiagnosticReport: ['subject'],
  DocumentManifest: ['subject'],
  DocumentReference: ['subject'],
  Encounter: ['subject'],
  EnrollmentRequest: ['candidate'],
  EpisodeOfCare: ['patient'],
  ExplanationOfBenefit: ['patient'],
  FamilyMemberHistory: ['patient'],
  Flag: ['subject'],
  Goal: ['subject'],
  GuidanceResponse: ['subject'],
  ImagingStudy: ['subject'],
  Immunization: ['patient'],
  ImmunizationEvaluation: ['patient'],
  ImmunizationRecommendation: ['patient'],
  Invoice: ['subject'],
  List: ['subject'],
  MeasureReport: ['subject'],
  Media: ['subject'],
  MedicationAdministration: ['subject'],
  MedicationDispense: ['subject'],
  MedicationRequest: ['subject'],
  MedicationStatement: ['subject'],
  MolecularSequence: ['patient'],
  NutritionOrder: ['patient'],
  Observation: ['subject'],
  Person: ['link.target'],
  Procedure: ['subject'],
  QuestionnaireResponse: ['subject'],
  RelatedPerson: ['patient'],
  RequestGroup: ['subject'],
  ResearchSubject: ['individual'],
  RiskAssessment: ['subject'],
  Schedule: ['actor'],
  ServiceRequest: ['subject'],
  Specimen: ['subject'],
  SupplyDelivery: ['patient'],
  SupplyRequest: ['deliverTo'],
  Task: ['for'],
  VisionPrescription: ['patient'],
};

/** Directory, product and infrastructure types: never one patient's record, whatever they say. */
export const SHARED_TYPES: ReadonlySet<string> = new Set(
  (
    'ActivityDefinition CapabilityStatement CatalogEntry ChargeItemDefinition CodeSystem CompartmentDefinition ConceptMap ' +
    'DeviceDefinition EffectEvidenceSynthesis Endpoint EventDefinition Evidence EvidenceVariable ExampleScenario ' +
    'GraphDefinition Group HealthcareService ImplementationGuide InsurancePlan Library Location Measure Medication ' +
    'MedicationKnowledge MedicinalProduct MedicinalProductAuthorization MedicinalProductContraindication ' +
    'MedicinalProductIndication MedicinalProductIngredient MedicinalProductInteraction MedicinalProductManufactured ' +
    'MedicinalProductPackaged MedicinalProductPharmaceutical MedicinalProductUndesirableEffect MessageDefinition ' +
    'NamingSystem ObservationDefinition OperationDefinition Organization OrganizationAffiliation PlanDefinition ' +
    'Practitioner PractitionerRole Questionnaire ResearchDefinition ResearchElementDefinition ResearchStudy ' +
    'RiskEvidenceSynthesis SearchParameter SpecimenDefinition StructureDefinition StructureMap Substance ' +
    'SubstanceNucleicAcid SubstancePolymer SubstanceProtein SubstanceReferenceInformation SubstanceSourceMaterial ' +
    'SubstanceSpecification TerminologyCapabilities TestScript ValueSet'
  ).split(' '),
);

export function isSharedType(resourceType: string): boolean {
  return SHARED_TYPES.has(resourceType);
}

/**
 * The reference, as sent, to the patient whose record this is, or undefined. A reference that may turn out not to be a
 * patient (urn:uuid) is given too: the caller resolves it. Two different patients in one record give undefined: it must
 * not be shown to either. A Patient answers with itself.
 */
export function patientReferenceOf(resource: unknown): string | undefined {
  const type = textAt(resource, 'resourceType');
  if (type === undefined) return undefined;
  if (type === 'Patient') return selfReference(resource);
  const elements = Object.hasOwn(PATIENT_ELEMENTS, type) ? PATIENT_ELEMENTS[type] : undefined;
  const found = new Set((elements ?? []).flatMap((element) => patientsIn(resource, element.split('.'))));
  return found.size === 1 ? [...found][0] : undefined;
}

/**
 * What a Provenance speaks about, and what a Binary is as open as (https://hl7.org/fhir/R4/binary.html#security); their patient is that of
 * these, which only the importer can resolve.
 */
export function provenanceTargetsOf(resource: unknown): string[] {
  if (textAt(resource, 'resourceType') === 'Binary') {
    const context = textAt(resource, 'securityContext', 'reference');
    return context === undefined ? [] : [context];
  }
  if (textAt(resource, 'resourceType') !== 'Provenance') return [];
  return listOf(at(resource, 'target')).flatMap((target) => textAt(target, 'reference') ?? []);
}

function selfReference(patient: unknown): string | undefined {
  const id = textAt(patient, 'id');
  return id === undefined ? undefined : `Patient/${id}`;
}

function patientsIn(value: unknown, path: readonly string[]): string[] {
  const [name, ...rest] = path;
  const values = listOf(name === undefined || !isObject(value) ? undefined : at(value, name));
  return rest.length > 0 ? values.flatMap((item) => patientsIn(item, rest)) : values.flatMap(patientIn);
}

function patientIn(reference: unknown): string[] {
  const text = textAt(reference, 'reference');
  return text !== undefined && mayBePatient(text, textAt(reference, 'type')) ? [text] : [];
}

function mayBePatient(reference: string, declaredType: string | undefined): boolean {
  const parsed = parseReference(reference);
  switch (parsed.kind) {
    case 'relative':
    case 'conditional':
      return parsed.type === 'Patient';
    case 'absolute':
      return (parsed.type ?? textOf(declaredType) ?? 'Patient') === 'Patient';
    case 'urn':
      return declaredType === undefined || declaredType === 'Patient';
    case 'contained':
    case 'other':
      return false;
  }
}
