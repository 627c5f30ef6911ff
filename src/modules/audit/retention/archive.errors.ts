import { Problem } from '../../../platform/http/problem.js';

/** Retention has deleted what this needs (C2SP tlog-tiles: pruning). */
export class EventsDeleted extends Problem {
  constructor() {
    super(
      410,
      'audit.deleted',
      'These events were deleted at the end of their retention. What is left of the trail goes on to verify.',
    );
  }
}

/** The events are in the archive, and the archive is not there; `what`: for the operator. */
export class ArchiveUnavailable extends Problem {
  constructor(readonly what: string) {
    super(
      503,
      'audit.archive-unavailable',
      'These events lie in the archive, which cannot be read right now. Have AUDIT_ARCHIVE_DIR looked at.',
      { retryAfterSeconds: 60 },
    );
  }
}

/** A file of the archive is not the one that was written; `file` names it. */
export class ArchiveDamaged extends Problem {
  constructor(
    readonly file: string,
    readonly isMissing: boolean,
  ) {
    super(
      500,
      'audit.archive-damaged',
      'A file of the archive is not the one that was written, so nothing of it is handed out. Have the trail verified (audit:verify names it), and restore the file.',
    );
  }

  get what(): string {
    return this.isMissing ? 'the file is missing' : 'the file is not the one that was written';
  }
}

/** Words of ours for a log; those of others may quote what they read. */
export const reasonOf = (error: ArchiveUnavailable | ArchiveDamaged): string =>
  error instanceof ArchiveDamaged ? `${error.file}: ${error.what}` : error.what;

export const archivedById = (): Problem =>
  new Problem(
    422,
    'audit.archived',
    'No event in the database has this id. Older ones lie in the archive, where they are found by `index`: export their period to look for it.',
  );
