/**
 * The built server as main.js starts it. With `--without-audit` the port to its audit trail does nothing: wired here, for the
 * benchmark to hold the two against each other, because no setting of the product can switch the audit off.
 */
import { createApp } from '../../dist/src/app.js';
import { AuditSink } from '../../dist/src/platform/access/audit-sink.js';
import { loadConfig } from '../../dist/src/platform/config/config.js';
import { listen } from '../../dist/src/serve.js';

const config = loadConfig();
const app = await createApp(config);
if (process.argv.includes('--without-audit')) {
  const sink = app.get(AuditSink);
  for (const method of ['record', 'within']) sink[method] = () => Promise.resolve();
}
await listen(app, config);
