export { inBase64 } from './base64.js';
export { ContentSealer, ContentTampered, openContent, sealContent, type Content, type SealedChunk } from './content.js';
export { ContentChunks } from './content-chunks.js';
export { attachmentDisposition } from './disposition.js';
