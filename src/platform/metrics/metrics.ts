import { Inject, Injectable } from '@nestjs/common';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Trail } from '../access/trail.js';
import { CONFIG, type Config } from '../config/config.js';

/** One value of a gauge; `labels` say of which thing, in codes and names of our own: never an id, never anything of a person. */
export interface Reading {
  labels?: Readonly<Record<string, string>>;
  value: number;
}

/** What is read at a scrape; null and what is not named are not shown, and neither is anything of a reading that fails. */
type Read = () => number | null | Reading[] | Promise<number | null | Reading[]>;
type Answered = (trail: Trail, status: number) => void;

/** Whatever a client may send as a method is not a label. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Nothing is left of the scrape before; without labels a reset would leave 0, which is a reading. */
function forget(metric: Gauge | Counter, labelNames: readonly string[]): void {
  metric.reset();
  if (labelNames.length === 0) metric.remove();
}

/**
 * What is counted and measured, in the words of Prometheus. Modules register here what they know; it is read only when somebody
 * asks, so that it costs a request two additions. All of it is off unless METRICS_PORT is set.
 */
@Injectable()
export class Metrics {
  readonly registry = new Registry();
  readonly isOn: boolean;
  private readonly observers: Answered[] = [];
  private readonly unread: Counter<'metric'>;

  constructor(@Inject(CONFIG) config: Config) {
    this.isOn = config.metrics !== null;
    this.unread = this.counter('portico_metrics_unread_total', 'Readings that failed, as while the database is away', [
      'metric',
    ]);
    this.observeAnswers();
  }

  counter<Label extends string>(name: string, help: string, labelNames: readonly Label[] = []): Counter<Label> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  /** How something stands, read at each scrape. */
  gauge(name: string, help: string, read: Read, labelNames: readonly string[] = []): void {
    const readings = this.reader(name, read);
    new Gauge({
      ...{ name, help, labelNames, registers: [this.registry] },
      async collect() {
        forget(this, labelNames);
        for (const { labels, value } of await readings()) this.set(labels ?? {}, value);
      },
    });
  }

  /** What somebody else counts from the start of the process, read at each scrape. */
  total(name: string, help: string, read: Read, labelNames: readonly string[] = []): void {
    const readings = this.reader(name, read);
    new Counter({
      ...{ name, help, labelNames, registers: [this.registry] },
      async collect() {
        forget(this, labelNames);
        for (const { labels, value } of await readings()) this.inc(labels ?? {}, value);
      },
    });
  }

  /** Called with each answer that has left. */
  onAnswer(observer: Answered): void {
    this.observers.push(observer);
  }

  answered(trail: Trail, status: number): void {
    if (!this.isOn) return;
    for (const observe of this.observers) observe(trail, status);
  }

  private reader(metric: string, read: Read): () => Promise<Reading[]> {
    return async () => {
      try {
        const found = await read();
        return Array.isArray(found) ? found : found === null ? [] : [{ value: found }];
      } catch {
        this.unread.inc({ metric });
        return [];
      }
    };
  }

  private observeAnswers(): void {
    const labelNames = ['method', 'route', 'status'] as const;
    const requests = this.counter('portico_http_requests_total', 'Answers, by template of the route', labelNames);
    const seconds = new Histogram({
      name: 'portico_http_request_duration_seconds',
      help: 'From the first byte of a request to the last of its answer',
      labelNames: ['method', 'route'] as const,
      buckets: SECONDS,
      registers: [this.registry],
    });
    this.onAnswer((trail, status) => {
      const method = METHODS.has(trail.method) ? trail.method : 'other';
      // What is on no route has no template, and its path is the client's word.
      const route = trail.route || 'none';
      requests.inc({ method, route, status });
      seconds.observe({ method, route }, (performance.now() - trail.startedMs) / 1000);
    });
  }
}
