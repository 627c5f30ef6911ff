export {
  CipherError,
  DATA_KEY_BYTES,
  dataKey,
  isUnder,
  keyIdOf,
  open,
  seal,
  type DataKey,
  type Place,
} from './cipher.js';
export { normaliseCode, randomCode, randomDigits } from './codes.js';
export { DataKeys, type DataKeyStore, type StoredKey } from './data-keys.js';
export { FileKeyManagement } from './file-key-management.js';
export { addKey, announceKey, createKeyFile, removeKey } from './key-file.js';
export { KEY_MANAGEMENT, type AuditKey, type KeyManagement } from './key-management.js';
export { KEY_PURPOSES, KeyFileError, newKeyFile, type KeyPurpose } from './key-material.js';
export { KeyRing } from './key-ring.js';
export { HasherBusyError, PasswordHasher, type PasswordCheck } from './passwords.js';
export { CursorError, cursorScope, openCursor, sealCursor, type Json } from './sealed-cursor.js';
export { hmac } from './mac.js';
export { equalSecret, hashToken, randomToken, successorOf } from './tokens.js';
