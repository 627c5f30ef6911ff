import { Body, Controller, Param, Post, Put } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../platform/access/context.js';
import { Endpoint } from '../../platform/access/endpoint.js';
import { IfMatch } from '../../platform/http/if-match.js';
import { ChartParams, RecordParams, RecordView } from './record.dto.js';
import { CorrectNote, Retract, WriteRecord } from './writing.dto.js';
import { WritingService } from './writing.service.js';

@Controller('v1')
export class WritingController {
  constructor(private readonly writing: WritingService) {}

  @Post('patients/:id/records')
  @Endpoint({
    action: 'create',
    subject: 'Record',
    summary: 'Write a note, or supply something for the own chart',
    response: RecordView,
    status: 201,
    creates: true,
    location: '/v1/records/:id',
  })
  write(@ReqCtx() ctx: SignedIn, @Param() { id }: ChartParams, @Body() input: WriteRecord): Promise<RecordView> {
    return this.writing.write(ctx, id, input);
  }

  @Put('records/:id')
  @Endpoint({ action: 'update', subject: 'Record', summary: 'Correct a note', response: RecordView, conditional: true })
  correct(
    @ReqCtx() ctx: SignedIn,
    @Param() { id }: RecordParams,
    @IfMatch() version: number,
    @Body() input: CorrectNote,
  ): Promise<RecordView> {
    return this.writing.correct(ctx, id, version, input);
  }

  @Post('records/:id/retract')
  @Endpoint({
    action: 'retract',
    subject: 'Record',
    summary: 'Say that a record was entered in error',
    response: RecordView,
    conditional: true,
  })
  retract(
    @ReqCtx() ctx: SignedIn,
    @Param() { id }: RecordParams,
    @IfMatch() version: number,
    @Body() { reason }: Retract,
  ): Promise<RecordView> {
    return this.writing.retract(ctx, id, version, reason);
  }

  @Post('records/:id/accept')
  @Endpoint({
    action: 'accept',
    subject: 'Record',
    summary: 'Go by what the patient supplied',
    response: RecordView,
    conditional: true,
  })
  accept(@ReqCtx() ctx: SignedIn, @Param() { id }: RecordParams, @IfMatch() version: number): Promise<RecordView> {
    return this.writing.decide(ctx, id, 'accept', version);
  }

  @Post('records/:id/decline')
  @Endpoint({
    action: 'decline',
    subject: 'Record',
    summary: 'Do not go by what the patient supplied',
    response: RecordView,
    conditional: true,
  })
  decline(@ReqCtx() ctx: SignedIn, @Param() { id }: RecordParams, @IfMatch() version: number): Promise<RecordView> {
    return this.writing.decide(ctx, id, 'decline', version);
  }
}
