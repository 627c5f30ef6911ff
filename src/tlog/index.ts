/** A transparency log's formats and proofs (RFC 6962, C2SP): pure functions that know no portal, no Nest and no database. */
export * from './checkpoint.js';
export * from './merkle.js';
export * from './note.js';
export * from './receipt.js';
export * from './tiles.js';
