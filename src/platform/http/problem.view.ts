import { Nested, Text, Whole } from './fields.js';

export class FieldErrorView {
  @Text({ description: 'JSON pointer (RFC 6901) to the wrong place of the input.', example: '/birthDate' })
  pointer: string;

  @Text({ description: 'What is wrong there.', example: 'wrong-form' })
  code: string;

  @Text({ description: 'The same for a person.' })
  detail: string;
}

/** Every error's body. */
export class ProblemView {
  @Text({ format: 'uri', description: "Address of the error's documentation." })
  type: string;

  @Text({ description: 'The same for every error of this status.' })
  title: string;

  @Whole({ description: 'HTTP status.' })
  status: number;

  @Text({ description: 'What to do. Never an echo of the input.' })
  detail: string;

  @Text({ description: 'The request, as `urn:uuid:…` of its X-Request-Id.' })
  instance: string;

  @Text({ description: 'Stable code: `<module>.<reason>`.', example: 'http.not-found' })
  code: string;

  @Nested(() => FieldErrorView, { many: 100, optional: true, description: 'For 400: each wrong place.' })
  errors?: FieldErrorView[];
}
