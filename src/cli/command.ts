/** Options as they were given; one that may stand several times is a list. */
export type Values = Record<string, string | boolean | (string | boolean)[] | undefined>;

/** One command of the operator: its options, what it does, and the doing. */
export interface Command {
  usage: string;
  summary: string;
  options?: Record<string, { type: 'string' | 'boolean'; multiple?: boolean; description: string }>;
  run(values: Values, positionals: string[]): Promise<void>;
}

/** What the operator can mend: said in words, without a trace. */
export class OperatorError extends Error {}

/** Calls a portal; that nobody answers is something that the operator can mend. */
export async function call(address: string, request: RequestInit): Promise<Response> {
  try {
    return await fetch(address, request);
  } catch {
    throw new OperatorError(`${address} does not answer: is the portal running there?`);
  }
}
