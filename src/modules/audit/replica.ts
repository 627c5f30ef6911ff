import { hostname } from 'node:os';

/** Which server process wrote it, for heartbeats and for reading two replicas' events apart. */
export const replicaName = (): string => `${hostname()}:${process.pid}`;
