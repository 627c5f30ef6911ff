import { generateKeyPairSync, sign } from 'node:crypto';
import { sha256 } from './rfc6962.js';

/** A key of a name (C2SP signed-note, section 1.2 of the ledger's standard), with the private half to sign with. */
export function generateSigner(
  name: string,
  type = 1,
): { vkey: string; checkpoint: (size: number, root: Buffer) => Buffer } {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const blob = Buffer.concat([Buffer.of(type), publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)]);
  const id = sha256(Buffer.from(`${name}\n`), blob).subarray(0, 4);
  return {
    vkey: `${name}+${id.toString('hex')}+${blob.toString('base64')}`,
    checkpoint: (size, root) => {
      const body = `${name}\n${size}\n${root.toString('base64')}\n`;
      const signature = Buffer.concat([id, sign(null, Buffer.from(body), privateKey)]).toString('base64');
      return Buffer.from(`${body}\n\u2014 ${name} ${signature}\n`);
    },
  };
}
