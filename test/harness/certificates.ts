import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Is there an openssl to make certificates with? */
export const hasOpenssl = (() => {
  try {
    execFileSync('openssl', ['version']);
    return true;
  } catch {
    // eslint-disable-next-line no-console -- a suite that is skipped says so.
    console.warn('skipped: there is no openssl here to make certificates with');
    return false;
  }
})();

export interface Certificate {
  certFile: string;
  keyFile: string;
  cert: string;
  key: string;
}

const NEW_KEY = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes';

/** Authorities and the certificates that they sign, in a folder of their own. */
export class Certificates {
  private readonly folder = mkdtempSync(join(tmpdir(), 'portico-certificates-'));

  /** Signs itself. */
  authority(name: string): Certificate {
    this.openssl(`req -x509 ${NEW_KEY} -days 30 -subj /CN=${name} -keyout ${name}.key -out ${name}.crt`);
    return this.read(name);
  }

  /** Signed by an authority, as a client's; negative days: over already. */
  signed(name: string, by: string, days = 30): Certificate {
    this.openssl(`req ${NEW_KEY} -subj /CN=${name} -keyout ${name}.key -out ${name}.csr`);
    writeFileSync(join(this.folder, 'leaf.cnf'), 'basicConstraints=CA:FALSE\nextendedKeyUsage=clientAuth\n');
    const authority = `-CA ${by}.crt -CAkey ${by}.key -CAcreateserial`;
    this.openssl(`x509 -req -in ${name}.csr ${authority} -extfile leaf.cnf -days ${days} -out ${name}.crt`);
    return this.read(name);
  }

  /** Signed by an authority for a key that it was only told, with these extensions. */
  certified(name: string, by: string, publicKey: string, extensions: readonly string[]): string {
    writeFileSync(join(this.folder, `${name}.pub`), publicKey);
    writeFileSync(join(this.folder, `${name}.cnf`), extensions.join('\n'));
    this.openssl(`req ${NEW_KEY} -subj /CN=${name} -keyout ${name}.key -out ${name}.csr`);
    const authority = `-CA ${by}.crt -CAkey ${by}.key -CAcreateserial`;
    this.openssl(
      `x509 -req -in ${name}.csr -force_pubkey ${name}.pub ${authority} -extfile ${name}.cnf -days 30 -out ${name}.crt`,
    );
    return readFileSync(join(this.folder, `${name}.crt`), 'utf8');
  }

  private openssl(command: string): void {
    execFileSync('openssl', command.split(' '), { cwd: this.folder, stdio: 'ignore' });
  }

  private read(name: string): Certificate {
    const [certFile, keyFile] = [join(this.folder, `${name}.crt`), join(this.folder, `${name}.key`)];
    return { certFile, keyFile, cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
  }
}
