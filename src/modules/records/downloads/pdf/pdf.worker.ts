import { once } from 'node:events';
import type { MessagePort } from 'node:worker_threads';
import type { LineView } from '../../record.dto.js';
import { pdfOf, type PdfGlance, type PdfHead } from './document.js';

/** One thing at a time is asked for, and answered: nothing piles up on either side. */
export type Question = 'glance' | 'page' | Uint8Array;

export interface PdfTask {
  head: PdfHead;
  port: MessagePort;
}

/** Runs in a worker thread. A piece of the document is a question as well: the next is written when this one was taken. */
export default async function write({ head, port }: PdfTask): Promise<void> {
  const ask = async (question: Question): Promise<unknown> => {
    const answer = once(port, 'message') as Promise<[unknown]>;
    port.postMessage(question);
    return (await answer)[0];
  };
  async function* pages(): AsyncGenerator<readonly LineView[]> {
    for (let page: LineView[] | null; (page = (await ask('page')) as LineView[] | null) !== null;) yield page;
  }
  try {
    const glance = async (): Promise<PdfGlance> => (await ask('glance')) as PdfGlance;
    for await (const piece of pdfOf(head, { glance, pages })) await ask(piece);
  } finally {
    port.close();
  }
}
