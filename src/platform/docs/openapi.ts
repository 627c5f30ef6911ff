import type { INestApplication } from '@nestjs/common';
import type { OpenAPIObject } from '@nestjs/swagger';
import type { Config } from '../config/config.js';
import { unavailable } from '../http/problem.js';
import { swaggerWithAllSaid } from './documented.js';

/** The OpenAPI document, made from the declarations of the routes; a client can be generated from it. */
async function openApiOf(app: INestApplication, config: Config): Promise<OpenAPIObject> {
  const { DocumentBuilder, SwaggerModule } = await swaggerWithAllSaid();
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

/** The document of an application that is complete; made when it is asked for first, because most processes never are. */
export class OpenApi {
  private made: Promise<OpenAPIObject> | null = null;
  private written: string | null = null;
  private make: (() => Promise<OpenAPIObject>) | null = null;

  describes(app: INestApplication, config: Config): void {
    this.make = () => openApiOf(app, config);
  }

  document(): Promise<OpenAPIObject> {
    if (!this.make) throw unavailable();
    return (this.made ??= this.make());
  }

  async text(): Promise<string> {
    return (this.written ??= JSON.stringify(await this.document()));
  }
}
