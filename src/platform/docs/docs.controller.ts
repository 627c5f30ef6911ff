import { createRequire } from 'node:module';
import { createReadStream, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Controller, Get, Header, Param, StreamableFile } from '@nestjs/common';
import { Endpoint } from '../access/endpoint.js';
import { OneOf } from '../http/fields.js';
import { OpenApi } from './openapi.js';

const UI = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
const FILES: Record<string, string> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
};
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'";

const PAGE = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Portico API</title>
<link rel="stylesheet" href="/docs/assets/swagger-ui.css"><body><div id="ui"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></body></html>`;
const START = "SwaggerUIBundle({ url: '/openapi.json', dom_id: '#ui', deepLinking: true, validatorUrl: null });";

interface ErrorEntry {
  code: string;
  status: number;
  detail: string;
}

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');

/** Every error code with its status and what to do, generated from the code and committed: the page that `type` points to. */
function errorsPage(): string {
  const catalogue = JSON.parse(readFileSync(new URL('./errors.json', import.meta.url), 'utf8')) as ErrorEntry[];
  const rows = catalogue.map(
    ({ code, status, detail }) =>
      `<tr id="${escape(code)}"><td><code>${escape(code)}</code></td><td>${status}</td><td>${escape(detail)}</td></tr>`,
  );
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Portico errors</title>
<style>body{font:16px/1.5 system-ui;margin:2rem auto;max-width:60rem}td{padding:.3rem 1rem .3rem 0;vertical-align:top}tr:target{background:#fe9}</style>
<h1>Errors</h1><table><tr><th>Code</th><th>Status</th><th>What to do</th></tr>${rows.join('')}</table></html>`;
}

export class AssetParams {
  @OneOf(Object.keys(FILES), { description: 'File of the documentation page.' })
  file: string;
}

@Controller()
export class DocsController {
  constructor(private readonly openApi: OpenApi) {}

  @Get('openapi.json')
  @Header('content-type', 'application/json; charset=utf-8')
  @Endpoint({
    action: 'read',
    subject: 'Document',
    summary: 'The OpenAPI document',
    access: 'public',
    work: 'none',
    response: null,
    produces: 'application/json',
  })
  document(): Promise<string> {
    return this.openApi.text();
  }

  @Get('docs')
  @Header('content-type', 'text/html; charset=utf-8')
  @Header('content-security-policy', POLICY)
  @Endpoint({
    action: 'read',
    subject: 'Document',
    summary: 'The documentation, to read and try',
    access: 'public',
    work: 'none',
    response: null,
    produces: 'text/html',
  })
  page(): string {
    return PAGE;
  }

  @Get('docs/start.js')
  @Header('content-type', 'text/javascript; charset=utf-8')
  @Endpoint({
    action: 'read',
    subject: 'Document',
    summary: 'Script of the documentation page',
    access: 'public',
    work: 'none',
    response: null,
    produces: 'text/javascript',
  })
  start(): string {
    return START;
  }

  @Get('docs/errors')
  @Header('content-type', 'text/html; charset=utf-8')
  @Header('content-security-policy', POLICY)
  @Endpoint({
    action: 'read',
    subject: 'Document',
    summary: 'All error codes and what to do about them',
    access: 'public',
    work: 'none',
    response: null,
    produces: 'text/html',
  })
  errors(): string {
    return errorsPage();
  }

  @Get('docs/assets/:file')
  @Endpoint({
    action: 'read',
    subject: 'Document',
    summary: 'File of the documentation page',
    access: 'public',
    work: 'none',
    response: null,
    produces: 'text/css',
  })
  asset(@Param() { file }: AssetParams): StreamableFile {
    return new StreamableFile(createReadStream(join(UI, file)), { type: FILES[file] });
  }
}
