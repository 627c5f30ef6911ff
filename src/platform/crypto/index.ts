export { CipherError, dataKey, keyIdOf, open, seal, type CipherErrorCode, type DataKey, type Place } from './cipher.js';
export { normaliseCode, randomCode } from './codes.js';
export { DataKeys, UnknownDataKeyError, type DataKeysOptions, type DataKeyStore, type StoredKey } from './data-keys.js';
export { FileKeyManagement } from './file-key-management.js';
export { addKey, createKeyFile, type KeyFileOptions } from './key-file.js';
export {
  KeyManagementError,
  type KeyManagement,
  type KeyManagementErrorCode,
  type WrappedKey,
} from './key-management.js';
export {
  KEY_PURPOSES,
  KeyFileError,
  newKeyFile,
  type KeyFile,
  type KeyFileErrorCode,
  type KeyPurpose,
} from './key-material.js';
export { KeyRing, type Pepper, type SigningKey } from './key-ring.js';
export { StoredPasswordError, type StoredPasswordErrorCode } from './password-format.js';
export {
  defaultThreads,
  HasherBusyError,
  PasswordHasher,
  type PasswordCheck,
  type PasswordHasherOptions,
  type PepperSource,
} from './passwords.js';
export {
  CursorError,
  cursorScope,
  MAX_CURSOR_LENGTH,
  openCursor,
  sealCursor,
  type CursorErrorCode,
  type Json,
} from './sealed-cursor.js';
export { hmac } from './mac.js';
export { equalSecret, hashToken, randomToken, successorOf } from './tokens.js';
