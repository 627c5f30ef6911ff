import { Injectable, RequestMethod, type OnModuleInit } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { endpointOf, type EndpointOptions } from './endpoint.js';

export interface DeclaredRoute {
  method: string;
  path: string;
  handler: string;
  endpoint: EndpointOptions;
}

/** All routes of all controllers. Finding one without {@link Endpoint} stops the application from starting. */
@Injectable()
export class DeclaredRoutes implements OnModuleInit {
  private routes: DeclaredRoute[] = [];

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
  ) {}

  onModuleInit(): void {
    const undeclared: string[] = [];
    for (const { instance, metatype } of this.discovery.getControllers()) {
      if (!instance || !metatype) continue;
      const prototype = Object.getPrototypeOf(instance) as Record<string, object>;
      for (const name of this.scanner.getAllMethodNames(prototype)) {
        const handler = prototype[name]!;
        const paths = Reflect.getMetadata(PATH_METADATA, handler) as string | string[] | undefined;
        if (paths === undefined) continue;
        const endpoint = endpointOf(handler);
        if (!endpoint) {
          undeclared.push(`${metatype.name}.${name}`);
          continue;
        }
        const method = RequestMethod[Reflect.getMetadata(METHOD_METADATA, handler) as number]!;
        const bases = [Reflect.getMetadata(PATH_METADATA, metatype) as string | string[]].flat();
        for (const base of bases) {
          for (const path of [paths].flat()) {
            const full = `/${base}/${path}`.replace(/\/+/g, '/').replace(/(.)\/$/, '$1');
            this.routes.push({ method, path: full, handler: `${metatype.name}.${name}`, endpoint });
          }
        }
      }
    }
    if (undeclared.length > 0)
      throw new Error(`routes without @Endpoint, which nobody may serve: ${undeclared.join(', ')}`);
  }

  list(): readonly DeclaredRoute[] {
    return this.routes;
  }
}
