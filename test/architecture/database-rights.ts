/**
 * Everything that each login may do in the database, by hand: relation or function, then privileges; `UPDATE(a b)` is
 * limited to columns. What is not here nobody but the owner may do. Rows are limited further, by the row policies.
 */
const RIGHTS = `
portal_app

  # Keys: never deleted, or nothing could be read any more.
  platform.data_key             SELECT INSERT UPDATE
  platform.idempotency          SELECT INSERT UPDATE(created_at request_mac response)
  platform.forget_idempotency() EXECUTE
  platform.migration            SELECT
  platform.outbox               SELECT INSERT UPDATE DELETE
  platform.account_id()         EXECUTE

  # People: disabled and revoked, never deleted. Whose chart it is, link_chart alone decides.
  users.account                 SELECT INSERT UPDATE
  users.account_role            SELECT INSERT UPDATE(revoke_reason revoked_at revoked_by revoked_from revoked_via)
  # History is written by a trigger; duties that exclude each other are the owner's to say.
  users.role_change             SELECT
  users.role_apart              SELECT
  users.note_role_periods()     EXECUTE
  users.feed                    SELECT INSERT
  users.patient                 SELECT INSERT UPDATE(birth_date email family given sex updated_at version)
  users.practitioner            SELECT INSERT UPDATE
  users.care_team_member        SELECT INSERT UPDATE(ends_at)
  users.directory_account       SELECT INSERT UPDATE(external_id family_name former_username given_name is_active removed_at title)
  users.scim_group              SELECT INSERT DELETE UPDATE(display_name external_id name_key roles updated_at version)
  users.scim_group_member       SELECT INSERT DELETE
  users.own_chart               SELECT
  users.proxied_chart           SELECT
  users.proxied()               EXECUTE
  users.own_practice            SELECT
  users.care_now                SELECT
  users.duty                    SELECT
  users.own_feed                SELECT
  users.actor()                 EXECUTE
  users.link_chart()            EXECUTE
  users.provisioned_as()        EXECUTE
  # Names behind the ids of the audit trail: it asks by itself whether an officer is on duty.
  users.names_of()              EXECUTE
  users.chart_of_feed()         EXECUTE
  users.feed_account()          EXECUTE

  # Sign-in: sessions and passwords leave a trace, what is used up may go.
  auth.credential               SELECT INSERT UPDATE
  auth.session                  SELECT INSERT UPDATE
  auth.invitation               SELECT INSERT UPDATE
  auth.scim_token               SELECT INSERT UPDATE(last_used_at revoked_at revoked_by)
  auth.totp                     SELECT INSERT UPDATE DELETE
  auth.recovery_code            SELECT INSERT UPDATE DELETE
  auth.verified_address         SELECT INSERT UPDATE DELETE
  auth.address_check            SELECT INSERT UPDATE DELETE
  auth.password_reset           SELECT INSERT UPDATE DELETE
  auth.lost_factor              SELECT INSERT UPDATE DELETE
  auth.factor_reset             SELECT INSERT UPDATE
  # Reminders and reasons stay as they were written.
  auth.expiry_reminder          SELECT INSERT
  auth.session_ending           SELECT INSERT
  auth.account_reset            SELECT INSERT UPDATE(decided_at decided_by status)
  auth.factor_holder            SELECT INSERT UPDATE
  auth.passkey                  SELECT INSERT DELETE UPDATE(counter is_backed_up last_used_at name version)
  auth.sms_number               SELECT INSERT UPDATE DELETE
  auth.challenge                SELECT INSERT UPDATE DELETE
  auth.quota                    SELECT INSERT UPDATE DELETE
  auth.security_event           SELECT INSERT DELETE
  auth.refresh_token            SELECT INSERT UPDATE DELETE
  auth.sign_in                  SELECT INSERT UPDATE DELETE

  # Single sign-on: which session came from where is kept as long as the session.
  auth.federated_identity       SELECT INSERT DELETE UPDATE(replaces_password)
  auth.removed_link             SELECT INSERT UPDATE(removed_at)
  auth.sso_flow                 SELECT INSERT UPDATE DELETE
  auth.sso_code                 SELECT INSERT UPDATE DELETE
  auth.sso_session              SELECT INSERT
  auth.sso_logout               SELECT INSERT DELETE
  auth.attempt                  SELECT INSERT UPDATE DELETE
  auth.client_key               SELECT INSERT UPDATE(revoke_reason revoked_at revoked_by)
  auth.client_assertion         SELECT INSERT DELETE
  auth.device                   SELECT INSERT UPDATE DELETE

  # Charts: nothing is deleted, old versions stay as they were.
  records.record                SELECT INSERT UPDATE
  records.record_version        SELECT INSERT UPDATE
  # What limits reading: rules stay as they were made; holds and looks are written by functions that ask who treats the patient.
  records.sensitivity_rule_set  SELECT INSERT
  records.sensitivity_rule      SELECT INSERT
  records.chart_wish            SELECT INSERT DELETE
  records.waiting_charts()      EXECUTE
  records.provenance_target     SELECT INSERT DELETE
  records.hold                  SELECT
  records.review                SELECT
  records.hold_report           SELECT
  records.hold_back()           EXECUTE
  records.lift_hold()           EXECUTE
  records.look_at()             EXECUTE
  records.labels_of()           EXECUTE
  records.is_relabelling()      EXECUTE
  records.relabel()             EXECUTE
  # Imports are jobs: what was asked for stays, how far it is moves, bodies go when it is over.
  records.import                SELECT INSERT UPDATE(at_byte at_file at_line attempts by_type bytes_done bytes_total created deleted entries failure finished_at flagged issues next_at quarantined queued_at rejected released started_at status unchanged updated)
  records.import_issue          SELECT INSERT
  records.import_file           SELECT INSERT
  records.import_chunk          SELECT INSERT DELETE
  records.awaited               SELECT INSERT DELETE UPDATE(is_here)
  records.quarantine            SELECT INSERT UPDATE(changed_at changed_by corrected findings reason state version)
  # Attachments go with their record; what no record has any more is swept.
  records.attachment            SELECT INSERT UPDATE(content_id head literal_id of_binary)
  records.attachment_chunk      SELECT INSERT
  records.sweep_attachment_chunks() EXECUTE
  records.reads_version()       EXECUTE
  records.reads_content()       EXECUTE
  records.take_import()         EXECUTE
  records.keep_import()         EXECUTE
  records.sweep_chunks()        EXECUTE
  records.retry_quarantine()    EXECUTE
  # Merges: a feed declares, the records office settles, each by one function.
  records.hl7_message           SELECT INSERT
  records.chart_merge           SELECT
  records.merge_charts()        EXECUTE
  records.settle_merge()        EXECUTE
  records.surviving_charts()    EXECUTE
  users.suspended_link          SELECT
  records.directory_identifier  SELECT INSERT DELETE

  # Copies of charts: how far they are moves, files go; what was sent stays. Functions tell ids, or clear away.
  records.download              SELECT INSERT UPDATE(attempts expires_at failure finished_at next_at records records_total status)
  records.download_file         SELECT INSERT DELETE
  records.download_chunk        SELECT INSERT DELETE
  records.transmission          SELECT INSERT
  records.rules_version()       EXECUTE
  records.take_download()       EXECUTE
  records.keep_download()       EXECUTE
  records.postpone_download()   EXECUTE
  records.fail_download()       EXECUTE
  records.expire_downloads()    EXECUTE
  users.names_for_chart()       EXECUTE

  # The ledger: one door in, and whether something came in; nothing else.
  audit.submit()                EXECUTE
  audit.ask_for_export()        EXECUTE
  # Legal holds, each with its event.
  audit.place_hold()            EXECUTE
  audit.release_hold()          EXECUTE
  audit.end_export()            EXECUTE
  audit.keep_query()            EXECUTE
  audit.drop_query()            EXECUTE
  audit.has()                   EXECUTE
  audit.resubmit()              EXECUTE
  # Processes say that they are alive.
  audit.heard()                 EXECUTE

portal_sequencer
  platform.account_id()         EXECUTE
  audit.sequence()              EXECUTE
  audit.inbox                   SELECT
  audit.entry                   SELECT
  audit.head                    SELECT
  audit.tile_hash               SELECT
  # Checkpoints come in by one function; what witnesses said, by hand over to them.
  audit.wanted_checkpoint()     EXECUTE
  audit.seal()                  EXECUTE
  audit.open_origin()           EXECUTE
  audit.generation()            EXECUTE
  audit.origin                  SELECT
  audit.checkpoint              SELECT
  audit.published               SELECT
  audit.cosignature             SELECT INSERT
  audit.verifier_key            SELECT INSERT
  audit.anchor                  SELECT INSERT UPDATE
  # Blocks leave the database one after the other, each with its event, and nothing that is held is deleted.
  audit.record_block()          EXECUTE
  audit.detach_block()          EXECUTE
  audit.delete_block()          EXECUTE
  audit.block_rule              SELECT
  audit.archived_block          SELECT
  audit.hold                    SELECT
  audit.hold_release            SELECT
  audit.replica                 SELECT

portal_auditor
  platform.account_id()         EXECUTE
  audit.entry                   SELECT
  audit.head                    SELECT
  audit.tile_hash               SELECT
  audit.subject_head            SELECT
  audit.disclosure              SELECT
  audit.erasure                 SELECT
  audit.block_rule              SELECT
  audit.archived_block          SELECT
  audit.hold                    SELECT
  audit.hold_release            SELECT
  audit.saved_query             SELECT
  audit.verification            SELECT INSERT
  audit.place_of_export()       EXECUTE
  audit.export                  SELECT UPDATE(checkpoint failure finished_at lines next_at own_idx position previous_checkpoint previous_size result segments state tree_size turn)
  audit.erase()                 EXECUTE
  audit.disclosed()             EXECUTE
  audit.generation()            EXECUTE
  audit.origin                  SELECT
  audit.checkpoint              SELECT
  audit.published               SELECT
  audit.cosignature             SELECT
  audit.verifier_key            SELECT
  audit.anchor                  SELECT
  audit.replica                 SELECT
`;

export const LOGINS = ['portal_app', 'portal_sequencer', 'portal_auditor'] as const;

/** One line a right: `login relation PRIVILEGE`. */
export function rights(): string[] {
  let login = '';
  return RIGHTS.split('\n')
    .filter((line) => line.trim() !== '' && !line.trim().startsWith('#'))
    .flatMap((line) => {
      if (!line.startsWith(' ')) login = line.trim();
      if (!line.startsWith(' ')) return [];
      const [thing, ...privileges] = line.trim().split(/ +(?![^(]*\))/);
      return privileges.map((privilege) => `${login} ${thing} ${privilege}`);
    });
}

const OURS = `('platform', 'users', 'auth', 'records', 'audit', 'public')`;

/** What stands in the catalogue, in the same lines; privileges by way of groups and of PUBLIC included. */
export const GRANTED = `
  WITH login AS (SELECT unnest($1::text[]) AS login),
    relation AS (SELECT c.oid, c.relkind, format('%s.%s', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                  WHERE n.nspname IN ${OURS} AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')),
    privilege AS (SELECT unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER,MAINTAIN}'::text[]) AS privilege)
  SELECT format('%s %s %s', login, name, privilege) AS line FROM login, relation, privilege
   WHERE relkind <> 'S' AND has_table_privilege(login, relation.oid, privilege)
  UNION ALL
  SELECT format('%s %s %s(%s)', login, name, privilege, string_agg(attname, ' ' ORDER BY attname)) FROM login, relation, privilege, pg_attribute a
   WHERE relkind <> 'S' AND a.attrelid = relation.oid AND a.attnum > 0 AND NOT a.attisdropped
     AND CASE WHEN privilege IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES')
              THEN has_column_privilege(login, relation.oid, a.attnum, privilege) AND NOT has_table_privilege(login, relation.oid, privilege) END
   GROUP BY login, name, privilege
  UNION ALL
  SELECT format('%s %s %s', login, name, p) FROM login, relation, unnest('{USAGE,SELECT,UPDATE}'::text[]) AS p
   WHERE CASE WHEN relkind = 'S' THEN has_sequence_privilege(login, relation.oid, p) END
  UNION ALL
  SELECT format('%s %s.%s() EXECUTE', login, n.nspname, f.proname) FROM login, pg_proc f JOIN pg_namespace n ON n.oid = f.pronamespace
   WHERE n.nspname IN ${OURS} AND has_function_privilege(login, f.oid, 'EXECUTE')
  UNION ALL
  SELECT format('%s %s CREATE', login, nspname) FROM login, pg_namespace WHERE has_schema_privilege(login, oid, 'CREATE') AND nspname !~ '^pg_temp'
  UNION ALL
  SELECT format('%s database CREATE', login) FROM login WHERE has_database_privilege(login, current_database(), 'CREATE')`;
