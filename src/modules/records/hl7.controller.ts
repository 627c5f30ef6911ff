import { Body, Controller, Headers, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { ReqCtx, type SignedIn } from '../../platform/access/context.js';
import { Endpoint } from '../../platform/access/endpoint.js';
import { Hl7Service } from './hl7.service.js';
import { uploadOf, type Given } from './import.controller.js';
import { HL7_TYPES } from './records.errors.js';

@Controller('v1/imports/hl7')
export class Hl7Controller {
  constructor(private readonly messages: Hl7Service) {}

  /** The status says of all messages together what MSA-1 says of each: 200 AA, 422 AE, 400 AR. */
  @Post()
  @Endpoint({
    action: 'import',
    subject: 'Import',
    summary: "Take in an HL7 v2 message, or a batch, of the caller's feed; answers its acknowledgement (ER7)",
    response: null,
    produces: 'application/hl7-v2',
    consumes: HL7_TYPES,
  })
  async create(
    @ReqCtx() ctx: SignedIn,
    @Body() body: unknown,
    @Headers() headers: Given,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Buffer> {
    const upload = uploadOf(body, headers);
    const { answers, status } = await this.messages.overHttp(ctx, upload);
    void reply.status(status).type(upload.mediaType);
    // Over HTTP there is one answer: where two are asked for, the one that says more.
    return answers.at(-1) ?? Buffer.alloc(0);
  }
}
