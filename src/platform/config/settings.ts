import { bool, num, str, type CleanedEnv } from 'envalid';
import {
  appOrigins,
  cidrs,
  FACTOR_RULES,
  factorRules,
  groupRoles,
  httpsUrl,
  namedNetworks,
  originName,
  origins,
  postgresUrl,
  returnPaths,
  witnesses,
} from './validators.js';

const minutes = (value: number, desc: string) => num({ default: value, desc: `${desc} (minutes)` });

/** Every setting: its name, default and meaning. `.env.example` is made from this table. */
export const settings = {
  NODE_ENV: str({
    choices: ['development', 'test', 'production'],
    default: 'development',
    desc: 'production refuses placeholder secrets and plain HTTP on a public interface',
  }),
  HOST: str({ default: '127.0.0.1', desc: 'address to listen on' }),
  PORT: num({ default: 3000, desc: 'port to listen on; 0 takes a free one' }),
  PUBLIC_URL: str({
    default: '',
    desc: 'address that browsers use, such as https://portal.hospital.example; issuer of the tokens. Default: what HOST and PORT say',
  }),
  TLS_CERT_FILE: str({ default: '', desc: 'PEM certificate chain; read again on SIGHUP' }),
  TLS_KEY_FILE: str({ default: '', desc: 'PEM private key of the certificate' }),
  TLS_CLIENT_CA_FILE: str({
    default: '',
    desc: "PEM certificates of the authorities whose clients' certificates count (mutual TLS of service accounts); read again on SIGHUP",
  }),
  TLS_CLIENT_CERT_HEADER: str({
    default: '',
    desc: 'header in which a trusted proxy hands over a certificate that it has checked: RFC 9440 (Client-Cert), or percent-encoded PEM as of nginx. The proxy must take it away from what clients send',
  }),
  MACHINES_BY_CERTIFICATE: bool({
    default: false,
    desc: 'true: machines come in by mutual TLS alone, with tokens that count only with their certificate (RFC 8705), so that a stolen one opens nothing; signed assertions and bearer secrets of SCIM are refused',
  }),
  TLS_TERMINATED_BY_PROXY: bool({
    default: false,
    desc: 'true: a proxy in front speaks HTTPS, so that plain HTTP is served on purpose',
  }),
  TRUSTED_PROXIES: cidrs({
    default: [],
    desc: 'comma-separated CIDRs of the proxies whose X-Forwarded-For is believed; nobody by default',
  }),
  DATABASE_URL: postgresUrl({
    default: '',
    desc: 'PostgreSQL 15 or later, as the role of the server. `demo` without it runs an embedded server; with it, it must be a role that may create roles and schemas',
  }),
  DATABASE_SEQUENCER_URL: postgresUrl({
    default: '',
    desc: 'the same database, as the role that puts audit events in order',
  }),
  DATABASE_AUDITOR_URL: postgresUrl({
    default: '',
    desc: 'the same database, as the role that reads the audit trail for the compliance officer',
  }),
  DATABASE_OWNER_URL: postgresUrl({
    default: '',
    desc: 'the same database, as the owner: only for `migrate`, never for the server',
  }),
  DATABASE_POOL_SIZE: num({ default: 10, desc: 'connections for requests, per process' }),
  KEY_FILE: str({
    default: '.portico/keys.json',
    desc: 'file of the keys (mode 0600), made by `npm run cli -- keys:create`; back it up apart from the database',
  }),
  DATA_DIR: str({ default: '.portico', desc: 'where demo keeps its database, keys and mailbox' }),
  HOSPITAL_NAME: str({ default: 'Portico Hospital', desc: 'name in notices and authenticator apps' }),
  MRN_SYSTEM: str({
    default: 'https://hospital.example.org/mrn',
    desc: "identifier system (URI) of the hospital's own medical record numbers",
  }),
  LETTER_PAPER: str({ choices: ['A4', 'LETTER'], default: 'A4', desc: 'paper of activation letters' }),
  LETTER_FONT_FILE: str({
    default: '',
    desc: "TrueType or OpenType font that is embedded in letters; needed where the hospital's name has letters beyond Latin-1",
  }),
  SMTP_URL: str({
    default: '',
    desc: 'smtps://user:password@host; empty: notices go to the mailbox folder (not in production)',
  }),
  MAIL_FROM: str({ default: 'portal@hospital.example.org', desc: 'sender of notices' }),
  MFA_PATIENT: str({
    choices: FACTOR_RULES,
    default: 'optional',
    desc: `second factor of patients and their proxies: ${FACTOR_RULES.join(', ')}`,
  }),
  MFA_STAFF: str({
    choices: FACTOR_RULES.slice(1),
    default: 'required',
    desc: `second factor of staff: ${FACTOR_RULES.slice(1).join(' or ')}`,
  }),
  MFA_POLICY: factorRules({
    default: [],
    desc: 'the same for single roles, such as clinician:required,admin:required_phishing_resistant; the strictest of the roles of a person counts',
  }),
  WEBAUTHN_ORIGINS: appOrigins({
    default: [],
    desc: 'comma-separated origins, beside that of PUBLIC_URL, whose passkeys are taken: https://app.hospital.example, android:apk-key-hash:…',
  }),
  SMS_FACTOR: str({
    choices: ['off', 'patients', 'everybody'],
    default: 'patients',
    desc: 'who may receive sign-in codes by text message, a restricted factor; in production nobody unless SMS_WEBHOOK_URL is set',
  }),
  SMS_WEBHOOK_URL: httpsUrl({
    default: '',
    desc: 'https:// address of the gateway that sends text messages; gets POST {to, text}. Empty: they go to the mailbox folder (not in production)',
  }),
  SMS_WEBHOOK_SECRET: str({
    default: '',
    desc: 'secret (32 characters or more) of the HMAC-SHA-256 in X-Portico-Signature by which the gateway knows us',
  }),
  SSO_PROVIDERS_FILE: str({
    default: '',
    desc: 'JSON list of identity providers for single sign-on (OpenID Connect); empty: none. With scimMatch its people are those of the directory (SCIM), linked at their first sign-in. See src/modules/auth/README.md',
  }),
  SSO_RETURN_URL: str({
    default: '',
    desc: 'page of the front end that people come back to after single sign-on. Default: PUBLIC_URL/sign-in',
  }),
  SSO_RETURN_PATHS: returnPaths({
    default: ['/'],
    desc: 'comma-separated paths of the front end that a sign-in may lead on to; /charts/* means all below /charts',
  }),
  SCIM_GROUP_ROLES: groupRoles({
    default: [],
    desc: "roles that groups of the hospital's directory give to their members (SCIM): Portal Clinicians=clinician,Portal Desk=staff",
  }),
  SCIM_INVITATIONS: bool({
    default: true,
    desc: 'whom the directory brings in gets an activation code by mail; false: administrators hand out the codes',
  }),
  PATIENT_IDLE_MINUTES: minutes(15, 'automatic logout of patients after inactivity'),
  PATIENT_SESSION_MINUTES: minutes(12 * 60, 'longest session of patients'),
  STAFF_IDLE_MINUTES: minutes(15, 'automatic logout of staff after inactivity'),
  STAFF_SESSION_MINUTES: minutes(8 * 60, 'longest session of staff'),
  ACCESS_TOKEN_MINUTES: minutes(5, 'life of an access token'),
  MAX_SESSIONS: num({
    default: 10,
    desc: 'most sessions of one account at a time; a sign-in beyond it ends the one that was idle longest',
  }),
  KNOWN_NETWORKS: namedNetworks({
    default: [],
    desc: "names that people see in place of a country for the hospital's own networks: Main campus=10.0.0.0/8,Ward 7=192.0.2.0/24",
  }),
  PLACES_FILE: str({
    default: '',
    desc: 'MMDB file of the countries of network addresses, such as a newer one than the one that comes along; words in the list of sessions come from it',
  }),
  CORS_ORIGINS: origins({
    default: [],
    desc: 'comma-separated origins of front ends that are served elsewhere and use bearer tokens; none by default',
  }),
  DEVICE_REMEMBER_DAYS: num({
    default: 30,
    desc: 'days that a patient may have a device remembered, so that it is not asked for the second factor: 0 (never) to 30',
  }),
  SIGN_IN_FAILURES: num({
    default: 100,
    desc: 'failed sign-ins in 15 minutes that one network address (IPv6: one /64) has free, a hundred times as many in KNOWN_NETWORKS and on this machine; from then on its tries wait',
  }),
  BREACH_CHECK: str({
    choices: ['off', 'open', 'closed'],
    default: 'off',
    desc: 'are new passwords looked up among leaked ones? Five hexadecimal digits of their SHA-1 leave the hospital. When nobody answers: open takes the password, closed refuses it for now',
  }),
  BREACH_CHECK_URL: httpsUrl({
    default: 'https://api.pwnedpasswords.com/range/',
    desc: 'whom BREACH_CHECK asks; the digits are put behind it',
  }),
  LOST_FACTOR_WAIT_HOURS: num({
    default: 24,
    desc: 'how long (hours) a patient who lost the second factor, and has no recovery code, waits for the mailed code; the holder can stop it meanwhile. 0: no wait',
  }),
  BCRYPT_COST: num({ default: 12, desc: 'cost of password hashes, 12 or more in production' }),
  HEADERS_TIMEOUT_SECONDS: num({ default: 10, desc: 'longest time that the headers of a request may take to arrive' }),
  REQUEST_TIMEOUT_SECONDS: num({ default: 30, desc: 'the same for a whole request, body included' }),
  UPLOAD_LEAST_KB_PER_SECOND: num({
    default: 16,
    desc: "the body of a feed's import (POST /v1/imports) may take longer than REQUEST_TIMEOUT_SECONDS where at least so much of it comes (kB a second), and no pause is as long as that",
  }),
  UPLOAD_LONGEST_HOURS: num({ default: 24, desc: 'longest time (hours) that such a body may take all the same' }),
  BODY_LIMIT_KB: num({ default: 256, desc: 'largest JSON body (kB)' }),
  IMPORT_LIMIT_MB: num({ default: 64, desc: 'largest imported Bundle (MB): it is worked as a whole' }),
  IMPORT_FILE_LIMIT_MB: num({
    default: 4_096,
    desc: 'largest imported file with a resource a line (MB); see UPLOAD_LONGEST_HOURS',
  }),
  ATTACHMENT_LIMIT_MB: num({
    default: 50,
    desc: 'largest attachment of a record (MB, without its base64); what is larger is not kept, and the sender is told',
  }),
  IMPORT_MAX_ENTRIES: num({ default: 20_000, desc: 'most entries of one imported Bundle' }),
  HL7_FEEDS_FILE: str({
    default: '',
    desc: 'JSON list of the feeds that may send HL7 v2 messages, with their senders; empty: none. See src/modules/records/README.md',
  }),
  HL7_LIMIT_MB: num({ default: 16, desc: 'largest HL7 v2 message or batch (MB)' }),
  MLLP_PORT: num({
    default: undefined,
    desc: 'port on MLLP_HOST that takes HL7 v2 messages over MLLP; 0 takes a free one. Empty: off',
  }),
  MLLP_HOST: str({ default: '127.0.0.1', desc: 'address of MLLP_PORT; MLLP knows no passwords: see MLLP_TLS' }),
  MLLP_TLS: str({
    choices: ['off', 'server', 'mutual'],
    default: 'off',
    desc: 'TLS of MLLP_PORT, with TLS_CERT_FILE and TLS_KEY_FILE; mutual: clients show a certificate of TLS_CLIENT_CA_FILE',
  }),
  MLLP_CONNECTIONS: num({ default: 100, desc: 'most connections to MLLP_PORT at a time' }),
  MLLP_FRAME_SECONDS: num({
    default: 30,
    desc: 'longest time (seconds) that a message over MLLP may take to arrive, and a new connection to begin one',
  }),
  MLLP_IDLE_MINUTES: minutes(240, 'time without a message after which a connection to MLLP_PORT is closed'),
  DOWNLOAD_DAYS: num({
    default: 7,
    desc: 'days that the files of a download of a chart can be fetched, 1 to 30; then they are deleted',
  }),
  TRANSMIT_LIMIT_MB: num({
    default: 10,
    desc: 'largest copy of a chart that is mailed (MB), 1 to 50; many mail systems refuse more than 10',
  }),
  CHART_FONT_FILES: str({
    default: '',
    desc: 'comma-separated TrueType or OpenType fonts for letters of charts in PDF beyond Latin, Greek, Cyrillic, Armenian, Georgian, Hebrew and Arabic, such as Chinese, Japanese and Korean ones',
  }),
  AUDIT_ORIGIN: originName({
    default: '',
    desc: 'name under which checkpoints of the audit trail are signed; never to be changed afterwards. Default: host of PUBLIC_URL + /audit',
  }),
  AUDIT_VERIFY_MINUTES: minutes(
    60,
    'time between two verifications of what is new in the audit trail; all of it is verified every day',
  ),
  AUDIT_ARCHIVE_DIR: str({
    default: '',
    desc: 'folder, the same for all servers, that old blocks of the audit trail are moved to, best one that nobody can change (WORM, object lock). Empty: they stay in the database',
  }),
  AUDIT_HOT_MONTHS: num({
    default: 13,
    desc: 'months that events of the audit trail stay in the database; then they are moved to AUDIT_ARCHIVE_DIR in blocks',
  }),
  AUDIT_RETENTION_YEARS: num({
    default: 10,
    desc: 'years that events of the audit trail are kept, 6 or more; then they are deleted from AUDIT_ARCHIVE_DIR, unless a legal hold keeps them',
  }),
  AUDIT_ANCHOR_DIR: str({
    default: '',
    desc: 'folder that every checkpoint is written to once, best one that nobody can delete from (WORM, another machine)',
  }),
  AUDIT_ANCHOR_URL: httpsUrl({
    default: '',
    desc: 'https:// prefix of an object store without delete: every checkpoint is PUT below it with If-None-Match: *',
  }),
  AUDIT_ANCHOR_TOKEN_FILE: str({
    default: '',
    desc: 'file with the bearer token of AUDIT_ANCHOR_URL; read at each use',
  }),
  AUDIT_WEBHOOK_URL: httpsUrl({
    default: '',
    desc: 'https:// address that gets every checkpoint as POST {origin, size, root, note}',
  }),
  AUDIT_WEBHOOK_SECRET: str({
    default: '',
    desc: 'secret (32 characters or more) of the HMAC-SHA-256 in X-Portico-Signature by which that address knows us',
  }),
  AUDIT_WITNESSES: witnesses({
    default: [],
    desc: 'comma-separated address=verifier key of those who countersign checkpoints (C2SP tlog-witness), as `npm run cli -- witness` prints it',
  }),
  AUDIT_HEARTBEAT_SECONDS: num({
    default: 60,
    desc: 'time (seconds) between two heartbeats of a process in the audit trail, 10 to 300; one that misses three raises an alarm',
  }),
  AUDIT_INBOX_ROWS: num({
    default: 100_000,
    desc: 'events that may wait for their place in the log; beyond it requests are refused (503 audit.unavailable) until they are fewer',
  }),
  AUDIT_INBOX_MINUTES: minutes(15, "the same for how long the oldest of them may wait, by the database's clock"),
  METRICS_PORT: num({
    default: undefined,
    desc: 'port of /metrics (Prometheus text) on METRICS_HOST, apart from the portal; 0 takes a free one. Empty: off',
  }),
  METRICS_HOST: str({
    default: '127.0.0.1',
    desc: 'address of METRICS_PORT; whoever reaches it reads how much happens here, and nothing of a person',
  }),
  LOG_LEVEL: str({
    choices: ['fatal', 'error', 'warn', 'info', 'debug', 'silent'],
    default: 'info',
    desc: 'least level that is logged',
  }),
};

export type Settings = CleanedEnv<typeof settings>;
