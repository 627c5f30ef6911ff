import type { SignedIn } from '../../platform/access/context.js';

export interface Statement {
  text: string;
  values: unknown[];
}

/** Prepared statements of hot reads, each text under a name of its own: a few dozen, made of templates and the shapes of policies. */
export class Statements {
  private readonly names = new Map<string, string>();

  constructor(private readonly prefix: string) {}

  run<Row extends object>(ctx: Pick<SignedIn, 'db'>, { text, values }: Statement): Promise<Row[]> {
    let name = this.names.get(text);
    if (!name) this.names.set(text, (name = `${this.prefix}_${this.names.size}`));
    return ctx.db.query<Row>(text, values, name);
  }
}
