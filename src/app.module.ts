import { Module, type DynamicModule } from '@nestjs/common';
import { APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core';
import { appDataSource } from './data-source.js';
import { AuditModule, auditPolicy } from './modules/audit/index.js';
import { AuthModule, CsrfGuard, JwtGuard, authPolicy } from './modules/auth/index.js';
import { RecordsModule, recordsPolicy } from './modules/records/index.js';
import { UsersModule, usersPolicy } from './modules/users/index.js';
import { DoorGuard } from './platform/access/door.guard.js';
import { Operator } from './platform/access/operator.js';
import { UnitOfWorkInterceptor } from './platform/access/unit-of-work.interceptor.js';
import type { Config } from './platform/config/config.js';
import { DocsController } from './platform/docs/docs.controller.js';
import { OpenApi } from './platform/docs/openapi.js';
import { HealthController } from './platform/health/health.controller.js';
import { PlatformModule, type PlatformParts } from './platform/platform.module.js';

export type AppParts = PlatformParts;

/** The roof: all modules, and what every request meets, in the order in which it meets it. */
@Module({})
export class AppModule {
  static with(config: Config, parts: AppParts): DynamicModule {
    return {
      module: AppModule,
      imports: [
        PlatformModule.with({
          config,
          parts,
          dataSource: appDataSource,
          policies: [authPolicy, usersPolicy, recordsPolicy, auditPolicy],
        }),
        AuditModule,
        UsersModule,
        AuthModule,
        RecordsModule,
      ],
      controllers: [HealthController, DocsController],
      providers: [
        OpenApi,
        Operator,
        { provide: APP_GUARD, useExisting: JwtGuard },
        { provide: APP_GUARD, useExisting: CsrfGuard },
        { provide: APP_GUARD, useClass: DoorGuard },
        { provide: APP_INTERCEPTOR, useClass: UnitOfWorkInterceptor },
      ],
    };
  }
}
