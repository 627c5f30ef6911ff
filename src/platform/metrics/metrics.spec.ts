import { describe, expect, it } from '@jest/globals';
import type { Trail } from '../access/trail.js';
import type { Config } from '../config/config.js';
import { Metrics, type Reading } from './metrics.js';

const metricsThat = (isOn: boolean): Metrics =>
  new Metrics({ metrics: isOn ? { host: '127.0.0.1', port: 0 } : null } as Config);

const linesOf = async (metrics: Metrics, name: string): Promise<string[]> =>
  (await metrics.registry.getSingleMetricAsString(name)).split('\n').filter((line) => !line.startsWith('#'));

const trail = (method: string, route: string): Trail => ({ method, route, startedMs: performance.now() }) as Trail;

describe('a gauge', () => {
  it('is read when it is asked for, and shows nothing where nothing is known', async () => {
    const metrics = metricsThat(true);
    let value: number | null = null;
    metrics.gauge('size', 'Size', () => value);
    expect(await linesOf(metrics, 'size')).toEqual([]);
    value = 0;
    expect(await linesOf(metrics, 'size')).toEqual(['size 0']);
    value = null;
    expect(await linesOf(metrics, 'size')).toEqual([]);
  });

  it('forgets what is not there any more', async () => {
    const metrics = metricsThat(true);
    let readings: Reading[] = [{ labels: { code: 'a' }, value: 1 }];
    metrics.gauge('problem', 'Problem', () => readings, ['code']);
    expect(await linesOf(metrics, 'problem')).toEqual(['problem{code="a"} 1']);
    readings = [{ labels: { code: 'b' }, value: 1 }];
    expect(await linesOf(metrics, 'problem')).toEqual(['problem{code="b"} 1']);
  });

  it('that cannot be read is left out and counted, and takes nothing else with it', async () => {
    const metrics = metricsThat(true);
    metrics.gauge('broken', 'Broken', () => Promise.reject(new Error('away')));
    metrics.gauge('sound', 'Sound', () => 7);
    const text = await metrics.registry.metrics();
    expect(text).toContain('sound 7');
    expect(text).not.toMatch(/^broken/m);
    expect(await linesOf(metrics, 'portico_metrics_unread_total')).toEqual([
      'portico_metrics_unread_total{metric="broken"} 1',
    ]);
  });
});

describe('a total', () => {
  it('is what somebody else has counted, however often it is asked for', async () => {
    const metrics = metricsThat(true);
    metrics.total('done', 'Done', () => [{ labels: { result: 'stored' }, value: 3 }], ['result']);
    await metrics.registry.metrics();
    expect(await linesOf(metrics, 'done')).toEqual(['done{result="stored"} 3']);
  });
});

describe('an answer', () => {
  it('is counted by template, and neither a path nor a method of the client becomes a label', async () => {
    const metrics = metricsThat(true);
    metrics.answered(trail('GET', '/v1/records/:id'), 200);
    metrics.answered(trail('GET', '/v1/records/:id'), 200);
    metrics.answered(trail('PROPFIND', ''), 404);
    expect(await linesOf(metrics, 'portico_http_requests_total')).toEqual([
      'portico_http_requests_total{method="GET",route="/v1/records/:id",status="200"} 2',
      'portico_http_requests_total{method="other",route="none",status="404"} 1',
    ]);
  });

  it('costs nothing where nobody scrapes', async () => {
    const metrics = metricsThat(false);
    metrics.onAnswer(() => {
      throw new Error('was called');
    });
    metrics.answered(trail('GET', '/'), 200);
    expect(await linesOf(metrics, 'portico_http_requests_total')).toEqual([]);
  });
});
