import { Controller, Delete, Get, Param, Query } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import { DeviceParams, DeviceQuery, DeviceView } from './device.dto.js';
import { Devices } from './devices.service.js';

@Controller('v1/auth/devices')
export class DeviceController {
  constructor(private readonly devices: Devices) {}

  @Get()
  @Endpoint({
    action: 'list',
    subject: 'Device',
    summary: 'List own devices that are remembered',
    response: DeviceView,
    paged: true,
  })
  list(@ReqCtx() ctx: SignedIn, @Query() query: DeviceQuery) {
    return this.devices.list(ctx, query);
  }

  @Delete()
  @Endpoint({ action: 'revoke', subject: 'Device', summary: 'Forget all own devices', response: null })
  revokeAll(@ReqCtx() ctx: SignedIn) {
    return this.devices.revokeAll(ctx);
  }

  @Delete(':id')
  @Endpoint({ action: 'revoke', subject: 'Device', summary: 'Forget one of the own devices', response: null })
  revoke(@ReqCtx() ctx: SignedIn, @Param() { id }: DeviceParams) {
    return this.devices.revoke(ctx, id);
  }
}
