/** One command of the operator: its options, what it does, and the doing. */
export interface Command {
  usage: string;
  summary: string;
  options?: Record<string, { type: 'string' | 'boolean'; description: string }>;
  run(values: Record<string, string | boolean | undefined>, positionals: string[]): Promise<void>;
}

/** What the operator can mend: said in words, without a trace. */
export class OperatorError extends Error {}
