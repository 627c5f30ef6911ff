import { DownloadJobs } from '../../src/modules/records/downloads/download-jobs.js';
import type { Caller } from './people.js';
import type { Portal } from './portal.js';

export interface DownloadedFile {
  name: string;
  mediaType: string;
  bytes: number;
  sha256: string;
}

export interface Downloaded {
  id: string;
  status: string;
  failure: string | null;
  progress: { records: number; total: number | null };
  files: DownloadedFile[];
}

/** Works off what is queued, in this process. */
export const prepared = (portal: Portal): Promise<void> => portal.app.get(DownloadJobs).drain();

/** A copy of a chart, once it is over. */
export async function downloaded(caller: Caller, patientId: string, asked: object = {}): Promise<Downloaded> {
  const { body } = await caller.post(`/v1/patients/${patientId}/downloads`, asked).expect(202);
  await prepared(caller.portal);
  return (await caller.get(`/v1/downloads/${(body as Downloaded).id}`).expect(200)).body as Downloaded;
}

export async function fileOf(
  caller: Caller,
  id: string,
  name: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; headers: Record<string, string>; bytes: Buffer }> {
  const answer = await caller
    .get(`/v1/downloads/${id}/files/${name}`)
    .set(headers)
    .buffer(true)
    .parse((response, done) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => done(null, Buffer.concat(chunks)));
    });
  return { status: answer.status, headers: answer.headers, bytes: answer.body as Buffer };
}

/** Everything in a copy, by name. */
export async function filesOf(caller: Caller, { id, files }: Downloaded): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>();
  for (const { name } of files) found.set(name, (await fileOf(caller, id, name)).bytes);
  return found;
}
