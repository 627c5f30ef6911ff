import { Controller, Get, Header, Inject, Param } from '@nestjs/common';
import { Endpoint, type EndpointOptions } from '../../../platform/access/endpoint.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { notFound } from '../../../platform/http/problem.js';
import { MAX_COUNT } from './scim-query.js';
import { SCIM } from './scim.dialect.js';
import { KINDS, LIST_SCHEMA, type ResourceKind } from './scim.schemas.js';

const document = (summary: string): EndpointOptions => ({
  action: 'read',
  subject: 'ScimConfig',
  summary,
  work: 'none',
  response: null,
  produces: SCIM.mediaType,
  dialect: SCIM,
});
const TYPE = `${SCIM.mediaType}; charset=utf-8`;

const CONFIG_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig';
const TYPE_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:ResourceType';
const SCHEMA_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:Schema';

const listOf = (resources: readonly object[]): string =>
  JSON.stringify({
    schemas: [LIST_SCHEMA],
    totalResults: resources.length,
    startIndex: 1,
    itemsPerPage: resources.length,
    Resources: resources,
  });

/** What of SCIM the portal speaks (RFC 7644 section 4). Nothing of anybody; for directories all the same. */
@Controller('scim/v2')
export class ScimConfigController {
  private readonly base: string;

  constructor(@Inject(CONFIG) config: Config) {
    this.base = `${config.http.publicUrl}/scim/v2`;
  }

  @Get('ServiceProviderConfig')
  @Header('content-type', TYPE)
  @Endpoint(document('SCIM: what the portal can do'))
  config(): string {
    return JSON.stringify({
      schemas: [CONFIG_SCHEMA],
      patch: { supported: true },
      bulk: { supported: false, maxOperations: 0, maxPayloadSize: 0 },
      filter: { supported: true, maxResults: MAX_COUNT },
      changePassword: { supported: false },
      sort: { supported: true },
      etag: { supported: true },
      authenticationSchemes: [
        {
          type: 'oauthbearertoken',
          name: 'Bearer token',
          description:
            'A token that an administrator of the portal made for the directory, or an access token of its account.',
          specUri: 'https://www.rfc-editor.org/rfc/rfc6750',
          primary: true,
        },
      ],
      meta: { resourceType: 'ServiceProviderConfig', location: `${this.base}/ServiceProviderConfig` },
    });
  }

  @Get('ResourceTypes')
  @Header('content-type', TYPE)
  @Endpoint(document('SCIM: kinds of resources'))
  types(): string {
    return listOf(KINDS.map((kind) => this.typeOf(kind)));
  }

  @Get('ResourceTypes/:id')
  @Header('content-type', TYPE)
  @Endpoint(document('SCIM: one kind of resources'))
  type(@Param('id') id: string): string {
    const kind = KINDS.find((one) => one.name === id);
    if (!kind) throw notFound();
    return JSON.stringify(this.typeOf(kind));
  }

  @Get('Schemas')
  @Header('content-type', TYPE)
  @Endpoint(document('SCIM: attributes that the portal keeps'))
  schemas(): string {
    return listOf(KINDS.map((kind) => this.schemaOf(kind)));
  }

  @Get('Schemas/:id')
  @Header('content-type', TYPE)
  @Endpoint(document('SCIM: attributes of one kind'))
  schema(@Param('id') id: string): string {
    const kind = KINDS.find((one) => one.schema === id);
    if (!kind) throw notFound();
    return JSON.stringify(this.schemaOf(kind));
  }

  private typeOf({ name, endpoint, schema, description }: ResourceKind): object {
    return {
      schemas: [TYPE_SCHEMA],
      id: name,
      name,
      endpoint,
      description,
      schema,
      meta: { resourceType: 'ResourceType', location: `${this.base}/ResourceTypes/${name}` },
    };
  }

  private schemaOf({ name, schema, description, attributes }: ResourceKind): object {
    return {
      schemas: [SCHEMA_SCHEMA],
      id: schema,
      name,
      description,
      attributes,
      meta: { resourceType: 'Schema', location: `${this.base}/Schemas/${schema}` },
    };
  }
}
