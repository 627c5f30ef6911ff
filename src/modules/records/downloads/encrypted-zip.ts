import { BlobReader, configure, Uint8ArrayWriter, ZipWriter } from '@zip.js/zip.js';

// Workers are the browser's; here the streams of the runtime do it.
configure({ useWebWorkers: false });

export interface ZipEntry {
  name: string;
  bytes: Buffer;
}

/**
 * A ZIP encrypted with AES-256 (WinZip AE-2: PBKDF2 and HMAC-SHA1 per file, https://www.winzip.com/en/support/aes-encryption/), which
 * common programs open. Names of files are not encrypted by the format: they must tell nothing.
 */
export async function encryptedZip(
  entries: AsyncIterable<ZipEntry>,
  passphrase: string,
  madeAt: Date,
): Promise<Buffer> {
  const zip = new ZipWriter(new Uint8ArrayWriter(), { password: passphrase, encryptionStrength: 3, level: 6 });
  for await (const { name, bytes } of entries)
    await zip.add(name, new BlobReader(new Blob([new Uint8Array(bytes)])), { lastModDate: madeAt });
  return Buffer.from(await zip.close());
}
