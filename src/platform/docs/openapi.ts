import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import type { Config } from '../config/config.js';

/** The OpenAPI document, made from the declarations of the routes; a client can be generated from it. */
export function openApiOf(app: INestApplication, config: Config): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setTitle('Portico')
    .setDescription(
      'Secure patient portal. Errors are application/problem+json; lists are pages with an opaque cursor; see README. ' +
        'A browser may sign in with "transport": "cookie": then cookies carry the session, and everything that changes something needs the header X-CSRF-Token.',
    )
    .setVersion('1')
    .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
    .addServer(config.http.publicUrl)
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'JWT' })
    .addCookieAuth('__Host-portico-access')
    .build();
  return SwaggerModule.createDocument(app, builder, {
    operationIdFactory: (controller, method) => `${controller.replace(/Controller$/, '')}_${method}`,
  });
}

/** Holds the document once the application is complete. */
export class OpenApi {
  document: OpenAPIObject | null = null;
}
