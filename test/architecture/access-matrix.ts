import type { Role } from '../../src/platform/access/vocabulary.js';

/** The columns: nobody, then one person of each role who has no other role. */
export const PEOPLE = [
  'anonymous',
  'patient',
  'proxy',
  'clinician',
  'staff',
  'records_officer',
  'compliance_officer',
  'admin',
  'integration',
  'directory',
] as const satisfies readonly (Role | 'anonymous')[];
export type Person = (typeof PEOPLE)[number];

/**
 * How the thing that a request names stands to the caller.
 *
 * Charts and records: `own` is the patient's own, which nobody treats, and for which the proxy acts; `team` is treated by the clinician, `ended` was until
 * yesterday, `future` will be from tomorrow on; `other` is nobody's whom we know; `none` does not exist. `held` is a record
 * whose patient has not come yet, `elsewhere` a membership of another chart's team.
 * Accounts, sessions, imports, practitioners: `own`, `other` (somebody else's), `closed` (own, ended), `none`.
 */
export type Relation = '-' | 'own' | 'team' | 'ended' | 'future' | 'other' | 'none' | 'held' | 'elsewhere' | 'closed';

/**
 * Who may do what, and how it is answered. Written by hand from the requirements, never from the policies: where this table
 * and the portal disagree, one of them is wrong. 401 nobody is signed in; 403 the role has no business here, or a rule
 * forbids it; 404 not there or not yours; 409 allowed, but the thing is not in the state for it.
 */
const MATRIX = `
                                             anon pat prx cln stf rec cmp adm int dir

# Nothing about anybody: open to all.
GET /docs                                       -  200 200 200 200 200 200 200 200 200 200
GET /docs/assets/:file                          -  200 200 200 200 200 200 200 200 200 200
GET /docs/errors                                -  200 200 200 200 200 200 200 200 200 200
GET /docs/start.js                              -  200 200 200 200 200 200 200 200 200 200
GET /openapi.json                               -  200 200 200 200 200 200 200 200 200 200
GET /.well-known/jwks.json                      -  200 200 200 200 200 200 200 200 200 200
GET /health/live                                -  200 200 200 200 200 200 200 200 200 200
GET /health/ready                               -  200 200 200 200 200 200 200 200 200 200

# The way in: who knows a secret comes in, whatever else they send.
POST /v1/auth/activate                          -  204 204 204 204 204 204 204 204 204 204
POST /v1/auth/login                             -  200 200 200 200 200 200 200 200 200 200
POST /v1/auth/mfa/challenge                     -  200 200 200 200 200 200 200 200 200 200
POST /v1/auth/mfa/verify                        -  200 200 200 200 200 200 200 200 200 200
POST /v1/auth/passkeys/sign-in/options          -  200 200 200 200 200 200 200 200 200 200
POST /v1/auth/passkeys/sign-in                  -  200 200 200 200 200 200 200 200 200 200
POST /v1/auth/refresh                           -  200 200 200 200 200 200 200 200 200 200

# Single sign-on: for whom a provider vouches, and who is in the browser that began. What a provider says is public to nobody's harm.
GET /v1/auth/sso                                -  200 200 200 200 200 200 200 200 200 200
GET /v1/auth/sso/:provider/start            other  302 302 302 302 302 302 302 302 302 302
                                             none  404 404 404 404 404 404 404 404 404 404
GET /v1/auth/sso/:provider/callback         other  302 302 302 302 302 302 302 302 302 302
                                             none  404 404 404 404 404 404 404 404 404 404
POST /v1/auth/sso/exchange                      -  200 200 200 200 200 200 200 200 200 200
POST /v1/auth/sso/:provider/backchannel-logout
                                            other  200 200 200 200 200 200 200 200 200 200
                                             none  404 404 404 404 404 404 404 404 404 404

# Links to a provider are a person's own; a machine is nobody there.
GET /v1/auth/sso/identities                     -  401 200 200 200 200 200 200 200 403 403
POST /v1/auth/sso/:provider/link            other  401 200 200 200 200 200 200 200 403 403
                                             none  401 404 404 404 404 404 404 404 403 403
DELETE /v1/auth/sso/identities/:id            own  401 204 204 204 204 204 204 204 403 403
                                       other none  401 404 404 404 404 404 404 404 403 403
POST /v1/auth/token                             -  200 200 200 200 200 200 200 200 200 200
# The way back: who shows what was mailed, and a second proof where there is one. Asking says nothing of whether there is anybody.
POST /v1/auth/password/forgot                   -  204 204 204 204 204 204 204 204 204 204
POST /v1/auth/password/reset                    -  204 204 204 204 204 204 204 204 204 204
POST /v1/auth/password/reset/check              -  200 200 200 200 200 200 200 200 200 200
POST /v1/auth/password/reset/challenge          -  409 409 409 409 409 409 409 409 409 409
POST /v1/auth/username/forgot                   -  204 204 204 204 204 204 204 204 204 204
POST /v1/auth/mfa/lost                          -  200 200 200 200 200 200 200 200 200 200
POST /v1/auth/mfa/lost/confirm                  -  200 200 200 200 200 200 200 200 200 200
# What only a browser's cookies answer: a bearer token is not looked at.
GET /v1/auth/csrf                               -  401 401 401 401 401 401 401 401 401 401

# Own sessions, password and second factor: everybody's own, nobody else's. Staff have a second factor and keep it.
POST /v1/auth/logout                            -  401 200 200 200 200 200 200 200 200 200
POST /v1/auth/logout-all                        -  401 204 204 204 204 204 204 204 403 403
POST /v1/auth/logout-others                     -  401 204 204 204 204 204 204 204 403 403
GET /v1/auth/sessions                           -  401 200 200 200 200 200 200 200 403 403
DELETE /v1/auth/sessions/:id                  own  401 204 204 204 204 204 204 204 403 403
                                closed other none  401 404 404 404 404 404 404 404 403 403
POST /v1/auth/password/change                   -  401 200 200 200 200 200 200 200 403 403
POST /v1/auth/password/change-required          -  204 204 204 204 204 204 204 204 204 204
GET /v1/auth/devices                            -  401 200 200 200 200 200 200 200 403 403
DELETE /v1/auth/devices                         -  401 204 204 204 204 204 204 204 403 403
DELETE /v1/auth/devices/:id                   own  401 204 204 204 204 204 204 204 403 403
                                closed other none  401 404 404 404 404 404 404 404 403 403
POST /v1/auth/mfa/totp                          -  401 200 200 409 409 409 409 409 403 403
POST /v1/auth/mfa/totp/confirm                  -  401 200 200 403 403 403 403 403 403 403
DELETE /v1/auth/mfa/totp                        -  401 204 204 403 403 403 403 403 403 403
# Text messages are for patients. Recovery codes stand in for another factor, and passkeys are anybody's.
POST /v1/auth/mfa/sms                           -  401 200 200 403 403 403 403 403 403 403
POST /v1/auth/mfa/sms/confirm                   -  401 200 200 403 403 403 403 403 403 403
DELETE /v1/auth/mfa/sms                         -  401 204 204 409 409 409 409 409 403 403
GET /v1/auth/mfa                                -  401 200 200 200 200 200 200 200 403 403
POST /v1/auth/mfa/recovery-codes                -  401 409 409 200 200 200 200 200 403 403
POST /v1/auth/passkeys/registration/options     -  401 200 200 200 200 200 200 200 403 403
POST /v1/auth/passkeys/registration             -  401 200 200 200 200 200 200 200 403 403
GET /v1/auth/passkeys                           -  401 200 200 200 200 200 200 200 403 403
GET /v1/auth/passkeys/:id                     own  401 200 200 200 200 200 200 200 403 403
                                       other none  401 404 404 404 404 404 404 404 403 403
PATCH /v1/auth/passkeys/:id                   own  401 200 200 200 200 200 200 200 403 403
                                       other none  401 404 404 404 404 404 404 404 403 403
DELETE /v1/auth/passkeys/:id                  own  401 204 204 204 204 204 204 204 403 403
                                       other none  401 404 404 404 404 404 404 404 403 403
POST /v1/auth/step-up/challenge                 -  401 200 200 200 200 200 200 200 403 403
POST /v1/auth/step-up                           -  401 403 403 200 200 200 200 200 403 403

# Oneself.
GET /v1/me                                      -  401 200 200 200 200 200 200 200 200 403
PATCH /v1/me                                    -  401 200 200 200 200 200 200 200 403 403
GET /v1/me/activity                             -  401 200 200 200 200 200 200 200 403 403
GET /v1/me/email                                -  401 200 200 200 200 200 200 200 403 403
POST /v1/me/email                               -  401 204 204 204 204 204 204 204 403 403
POST /v1/me/email/confirm                       -  401 204 204 204 204 204 204 204 403 403
GET /v1/me/permissions                          -  401 200 200 200 200 200 200 200 200 403

# Accounts: administrators, and none of them decides on their own access.
GET /v1/users                                   -  401 403 403 403 403 403 403 200 403 403
POST /v1/users                                  -  401 403 403 403 403 403 403 201 403 403
GET /v1/users/:id                       own other  401 403 403 403 403 403 403 200 403 403
                                             none  401 403 403 403 403 403 403 404 403 403
PATCH /v1/users/:id                     own other  401 403 403 403 403 403 403 200 403 403
                                             none  401 403 403 403 403 403 403 404 403 403
POST /v1/users/:id/roles                      own  401 403 403 403 403 403 403 403 403 403
                                            other  401 403 403 403 403 403 403 200 403 403
                                             none  401 403 403 403 403 403 403 404 403 403
POST /v1/users/:id/roles/:role/revoke         own  401 403 403 403 403 403 403 403 403 403
                                            other  401 403 403 403 403 403 403 200 403 403
                                             none  401 403 403 403 403 403 403 404 403 403
POST /v1/users/:id/password/expire            own  401 403 403 403 403 403 403 403 403 403
                                            other  401 403 403 403 403 403 403 204 403 403
                                             none  401 403 403 403 403 403 403 404 403 403
POST /v1/users/:id/disable                    own  401 403 403 403 403 403 403 403 403 403
                                            other  401 403 403 403 403 403 403 200 403 403
                                             none  401 403 403 403 403 403 403 404 403 403
POST /v1/users/:id/enable                     own  401 403 403 403 403 403 403 403 403 403
                                            other  401 403 403 403 403 403 403 200 403 403
                                             none  401 403 403 403 403 403 403 404 403 403
POST /v1/users/:id/sessions/end         own other  401 403 403 403 403 403 403 204 403 403
                                             none  401 403 403 403 403 403 403 404 403 403
POST /v1/sessions/end-all                       -  401 403 403 403 403 403 403 200 403 403
GET /v1/users/:id/sso/identities        own other  401 403 403 403 403 403 403 200 403 403
                                             none  401 403 403 403 403 403 403 404 403 403
POST /v1/users/:id/sso/identities/:identityId/revoke
                                              own  401 403 403 403 403 403 403 403 403 403
                                            other  401 403 403 403 403 403 403 201 403 403
                                        closed none  401 403 403 403 403 403 403 404 403 403

# Who holds which role, and every change of it: who gives access, and who checks it.
GET /v1/users/:id/roles                 own other  401 403 403 403 403 403 200 200 403 403
                                             none  401 403 403 403 403 403 404 404 403 403
GET /v1/users/:id/role-changes          own other  401 403 403 403 403 403 200 200 403 403
                                             none  401 403 403 403 403 403 404 404 403 403
GET /v1/role-changes                            -  401 403 403 403 403 403 200 200 403 403

# Keys of machines: administrators, for machines alone.
POST /v1/users/:id/keys                       own  401 403 403 403 403 403 403 422 403 403
                                            other  401 403 403 403 403 403 403 201 403 403
                                             none  401 403 403 403 403 403 403 404 403 403
GET /v1/users/:id/keys                  own other  401 403 403 403 403 403 403 200 403 403
                                             none  401 403 403 403 403 403 403 404 403 403
POST /v1/users/:id/keys/:keyId/revoke         own  401 403 403 403 403 403 403 404 403 403
                                            other  401 403 403 403 403 403 403 200 403 403
                                           closed  401 403 403 403 403 403 403 409 403 403
                                             none  401 403 403 403 403 403 403 404 403 403

# What became of all invitations: who gives access, and who releases records; the latter those of patients.
GET /v1/invitations                             -  401 403 403 403 403 200 403 200 403 403

# Activation codes again, for whoever was never there; the front desk sees no accounts.
POST /v1/users/:id/invitations                own  401 403 403 403 403 403 403 403 403 403
                                            other  401 403 403 403 403 403 403 204 403 403
                                           closed  401 403 403 403 403 403 403 409 403 403
                                             none  401 403 403 403 403 403 403 404 403 403
GET /v1/users/:id/invitations           own other  401 403 403 403 404 403 403 200 403 403
                                             none  401 403 403 403 404 403 403 404 403 403
DELETE /v1/users/:id/invitations        own other  401 403 403 403 404 403 403 204 403 403
                                             none  401 403 403 403 404 403 403 404 403 403

# What the directory says of people: a directory of those whom it brought in itself, nobody else, and it nothing else.
GET /scim/v2/ServiceProviderConfig              -  401 403 403 403 403 403 403 403 403 200
GET /scim/v2/ResourceTypes                      -  401 403 403 403 403 403 403 403 403 200
GET /scim/v2/Schemas                            -  401 403 403 403 403 403 403 403 403 200
GET /scim/v2/ResourceTypes/:id              other  401 403 403 403 403 403 403 403 403 200
                                             none  401 403 403 403 403 403 403 403 403 404
GET /scim/v2/Schemas/:id                    other  401 403 403 403 403 403 403 403 403 200
                                             none  401 403 403 403 403 403 403 403 403 404
GET /scim/v2/Users                              -  401 403 403 403 403 403 403 403 403 200
POST /scim/v2/Users                             -  401 403 403 403 403 403 403 403 403 201
POST /scim/v2/Users/.search                     -  401 403 403 403 403 403 403 403 403 200
GET /scim/v2/Users/:id                        own  401 403 403 403 403 403 403 403 403 200
                                closed other none  401 403 403 403 403 403 403 403 403 404
PUT /scim/v2/Users/:id                        own  401 403 403 403 403 403 403 403 403 200
                                closed other none  401 403 403 403 403 403 403 403 403 404
PATCH /scim/v2/Users/:id                      own  401 403 403 403 403 403 403 403 403 200
                                closed other none  401 403 403 403 403 403 403 403 403 404
DELETE /scim/v2/Users/:id                     own  401 403 403 403 403 403 403 403 403 204
                                closed other none  401 403 403 403 403 403 403 403 403 404
GET /scim/v2/Groups                             -  401 403 403 403 403 403 403 403 403 200
POST /scim/v2/Groups                            -  401 403 403 403 403 403 403 403 403 201
POST /scim/v2/Groups/.search                    -  401 403 403 403 403 403 403 403 403 200
GET /scim/v2/Groups/:id                       own  401 403 403 403 403 403 403 403 403 200
                                       other none  401 403 403 403 403 403 403 403 403 404
PUT /scim/v2/Groups/:id                       own  401 403 403 403 403 403 403 403 403 200
                                       other none  401 403 403 403 403 403 403 403 403 404
PATCH /scim/v2/Groups/:id                     own  401 403 403 403 403 403 403 403 403 204
                                       other none  401 403 403 403 403 403 403 403 403 404
DELETE /scim/v2/Groups/:id                    own  401 403 403 403 403 403 403 403 403 204
                                       other none  401 403 403 403 403 403 403 403 403 404

# Bearer secrets of a directory: administrators, for accounts of directories.
POST /v1/users/:id/scim-tokens                own  401 403 403 403 403 403 403 422 403 403
                                            other  401 403 403 403 403 403 403 201 403 403
                                             none  401 403 403 403 403 403 403 404 403 403
GET /v1/users/:id/scim-tokens           own other  401 403 403 403 403 403 403 200 403 403
                                             none  401 403 403 403 403 403 403 404 403 403
POST /v1/users/:id/scim-tokens/:tokenId/revoke own  401 403 403 403 403 403 403 404 403 403
                                            other  401 403 403 403 403 403 403 200 403 403
                                           closed  401 403 403 403 403 403 403 409 403 403
                                             none  401 403 403 403 403 403 403 404 403 403

# Help with the way in: administrators, nobody for themselves, and what was asked for is approved by another.
POST /v1/users/:id/mfa/reset                  own  401 403 403 403 403 403 403 403 403 403
                                            other  401 403 403 403 403 403 403 201 403 403
                                             none  401 403 403 403 403 403 403 404 403 403
POST /v1/users/:id/password/reset             own  401 403 403 403 403 403 403 403 403 403
                                            other  401 403 403 403 403 403 403 201 403 403
                                             none  401 403 403 403 403 403 403 404 403 403
POST /v1/users/:id/unlock                     own  401 403 403 403 403 403 403 403 403 403
                                            other  401 403 403 403 403 403 403 201 403 403
                                             none  401 403 403 403 403 403 403 404 403 403
POST /v1/users/:id/email                      own  401 403 403 403 403 403 403 403 403 403
                                            other  401 403 403 403 403 403 403 201 403 403
                                             none  401 403 403 403 403 403 403 404 403 403
GET /v1/account-resets                          -  401 403 403 403 403 403 403 200 403 403
POST /v1/account-resets/:id/approve           own  401 403 403 403 403 403 403 403 403 403
                                            other  401 403 403 403 403 403 403 200 403 403
                                           closed  401 403 403 403 403 403 403 409 403 403
                                             none  401 403 403 403 403 403 403 404 403 403
POST /v1/account-resets/:id/decline     own other  401 403 403 403 403 403 403 200 403 403
                                           closed  401 403 403 403 403 403 403 409 403 403
                                             none  401 403 403 403 403 403 403 404 403 403

# Who treats at the hospital: every person may know, administrators keep it.
GET /v1/practitioners                           -  401 200 200 200 200 200 200 200 403 403
POST /v1/practitioners                          -  401 403 403 403 403 403 403 201 403 403
GET /v1/practitioners/:id                   other  401 200 200 200 200 200 200 200 403 403
                                             none  401 404 404 404 404 404 404 404 403 403
PATCH /v1/practitioners/:id                 other  401 403 403 403 403 403 403 200 403 403
                                             none  401 403 403 403 403 403 403 404 403 403

# Demographics and care teams: the patient, who treats them now, and the hospital's offices.
GET /v1/patients                                -  401 200 403 200 200 200 403 200 403 403
POST /v1/patients                               -  401 403 403 403 201 403 403 201 403 403
GET /v1/patients/:id                          own  401 200 403 404 200 200 403 200 403 403
                                             team  401 404 403 200 200 200 403 200 403 403
                               ended future other  401 404 403 404 200 200 403 200 403 403
                                             none  401 404 403 404 404 404 403 404 403 403
PATCH /v1/patients/:id own team ended future other 401 403 403 403 200 403 403 200 403 403
                                             none  401 403 403 403 404 403 403 404 403 403
POST /v1/patients/:id/invitations        own team  401 403 403 403 409 403 403 409 403 403
                               ended future other  401 403 403 403 204 403 403 204 403 403
                                             none  401 403 403 403 404 403 403 404 403 403
GET /v1/patients/:id/invitations
                      own team ended future other  401 403 403 403 200 403 403 200 403 403
                                             none  401 403 403 403 404 403 403 404 403 403
DELETE /v1/patients/:id/invitations
                      own team ended future other  401 403 403 403 204 403 403 204 403 403
                                             none  401 403 403 403 404 403 403 404 403 403
GET /v1/patients/:id/care-team                own  401 200 403 404 200 200 403 200 403 403
                                             team  401 404 403 200 200 200 403 200 403 403
                               ended future other  401 404 403 404 200 200 403 200 403 403
                                             none  401 404 403 404 404 404 403 404 403 403
POST /v1/patients/:id/care-team
                      own team ended future other  401 403 403 403 201 403 403 201 403 403
                                             none  401 403 403 403 404 403 403 404 403 403
POST /v1/patients/:id/care-team/:memberId/end
                      own team ended future other  401 403 403 403 200 403 403 200 403 403
                                   elsewhere none  401 403 403 403 404 403 403 404 403 403

# Clinical content: the patient, who acts for them, and who treats them now. No office, no administrator, no feed.
GET /v1/patients/:id/records                  own  401 200 200 404 403 403 403 403 403 403
                                             team  401 404 404 200 403 403 403 403 403 403
                          ended future other none  401 404 404 404 403 403 403 403 403 403
GET /v1/patients/:id/timeline                 own  401 200 200 404 403 403 403 403 403 403
                                             team  401 404 404 200 403 403 403 403 403 403
                          ended future other none  401 404 404 404 403 403 403 403 403 403
GET /v1/patients/:id/summary                  own  401 200 200 404 403 403 403 403 403 403
                                             team  401 404 404 200 403 403 403 403 403 403
                          ended future other none  401 404 404 404 403 403 403 403 403 403
GET /v1/records/:id                           own  401 200 200 404 403 403 403 403 403 403
                                             team  401 404 404 200 403 403 403 403 403 403
                     ended future other held none  401 404 404 404 403 403 403 403 403 403
GET /v1/records/:id/history                   own  401 200 200 404 403 403 403 403 403 403
                                             team  401 404 404 200 403 403 403 403 403 403
                     ended future other held none  401 404 404 404 403 403 403 403 403 403
GET /v1/records/:id/history/:version          own  401 200 200 404 403 403 403 403 403 403
                                             team  401 404 404 200 403 403 403 403 403 403
                     ended future other held none  401 404 404 404 403 403 403 403 403 403
GET /v1/records/:id/provenance                own  401 200 200 404 403 403 403 403 403 403
                                             team  401 404 404 200 403 403 403 403 403 403
                     ended future other held none  401 404 404 404 403 403 403 403 403 403
# Attachments: as the record that they are part of.
GET /v1/records/:id/attachments               own  401 200 200 404 403 403 403 403 403 403
                                             team  401 404 404 200 403 403 403 403 403 403
                     ended future other held none  401 404 404 404 403 403 403 403 403 403
GET /v1/records/:id/original                  own  401 200 200 404 403 403 403 403 403 403
                                             team  401 404 404 200 403 403 403 403 403 403
                     ended future other held none  401 404 404 404 403 403 403 403 403 403
GET /v1/attachments/:id                       own  401 200 200 404 403 403 403 403 403 403
                                             team  401 404 404 200 403 403 403 403 403 403
                     ended future other held none  401 404 404 404 403 403 403 403 403 403
# What people write: clinicians of the team, and patients for themselves.
POST /v1/patients/:id/records                 own  401 201 403 404 403 403 403 403 403 403
                                             team  401 404 403 201 403 403 403 403 403 403
                          ended future other none  401 404 403 404 403 403 403 403 403 403
PUT /v1/records/:id                           own  401 403 403 404 403 403 403 403 403 403
                                             team  401 403 403 200 403 403 403 403 403 403
                     ended future other held none  401 403 403 404 403 403 403 403 403 403
POST /v1/records/:id/retract                  own  401 200 403 404 403 403 403 403 403 403
                                             team  401 404 403 200 403 403 403 403 403 403
                     ended future other held none  401 404 403 404 403 403 403 403 403 403
POST /v1/records/:id/accept                   own  401 403 403 404 403 403 403 403 403 403
                                             team  401 403 403 200 403 403 403 403 403 403
                     ended future other held none  401 403 403 404 403 403 403 403 403 403
POST /v1/records/:id/decline                  own  401 403 403 404 403 403 403 403 403 403
                                             team  401 403 403 200 403 403 403 403 403 403
                     ended future other held none  401 403 403 404 403 403 403 403 403 403
# What is held back, and until whom the patient wishes to wait.
POST /v1/records/:id/review                   own  401 403 403 404 403 403 403 403 403 403
                                             team  401 403 403 204 403 403 403 403 403 403
                     ended future other held none  401 403 403 404 403 403 403 403 403 403
POST /v1/records/:id/hold                     own  401 403 403 404 403 403 403 403 403 403
                                             team  401 403 403 201 403 403 403 403 403 403
                     ended future other held none  401 403 403 404 403 403 403 403 403 403
DELETE /v1/records/:id/hold                   own  401 403 403 404 403 403 403 403 403 403
                                             team  401 403 403 204 403 403 403 403 403 403
                     ended future other held none  401 403 403 404 403 403 403 403 403 403
GET /v1/records/:id/holds                     own  401 403 403 404 403 403 403 403 403 403
                                             team  401 403 403 200 403 403 403 403 403 403
                     ended future other held none  401 403 403 404 403 403 403 403 403 403
# Across charts: who treats the patients, and who looks after how exceptions are used.
GET /v1/holds                                   -  401 403 403 200 403 403 200 403 403 403
GET /v1/patients/:id/chart-settings           own  401 200 403 404 403 403 403 403 403 403
                                             team  401 404 403 200 403 403 403 403 403 403
                          ended future other none  401 404 403 404 403 403 403 403 403 403
PUT /v1/patients/:id/chart-settings           own  401 200 403 403 403 403 403 403 403 403
                                             team  401 404 403 403 403 403 403 403 403 403
                          ended future other none  401 404 403 403 403 403 403 403 403 403
# Which records are sensitive: records officers decide, compliance officers look.
GET /v1/sensitivity-rules                       -  401 403 403 403 403 200 200 403 403 403
GET /v1/sensitivity-rules/versions              -  401 403 403 403 403 200 200 403 403 403
PUT /v1/sensitivity-rules                       -  401 403 403 403 403 200 403 403 403 403

# Taking a copy along, having it sent, and who did: the patient, and who acts for them. A copy is its maker's alone.
POST /v1/patients/:id/downloads               own  401 202 202 403 403 403 403 403 403 403
                     team ended future other none  401 404 404 403 403 403 403 403 403 403
GET /v1/patients/:id/downloads                own  401 200 200 403 403 403 403 403 403 403
                     team ended future other none  401 404 404 403 403 403 403 403 403 403
GET /v1/downloads/:id                         own  401 200 200 403 403 403 403 403 403 403
                                       other none  401 404 404 403 403 403 403 403 403 403
POST /v1/downloads/:id/end                    own  401 200 200 403 403 403 403 403 403 403
                                           closed  401 409 409 403 403 403 403 403 403 403
                                       other none  401 404 404 403 403 403 403 403 403 403
GET /v1/downloads/:id/files/:name             own  401 200 200 403 403 403 403 403 403 403
                                           closed  401 409 409 403 403 403 403 403 403 403
                                       other none  401 404 404 403 403 403 403 403 403 403
POST /v1/downloads/:id/transmissions          own  401 201 201 403 403 403 403 403 403 403
                                           closed  401 409 409 403 403 403 403 403 403 403
                                       other none  401 404 404 403 403 403 403 403 403 403
GET /v1/patients/:id/transmissions            own  401 200 200 403 403 403 403 403 403 403
                     team ended future other none  401 404 404 403 403 403 403 403 403 403
GET /v1/patients/:id/activity                 own  401 200 200 403 403 403 403 403 403 403
                     team ended future other none  401 404 404 403 403 403 403 403 403 403

# The feed brings in and sees what became of its own imports.
POST /v1/imports                                -  401 403 403 403 403 403 403 403 202 403
POST /v1/imports/hl7                            -  401 403 403 403 403 403 403 403 200 403
POST /v1/imports/open                           -  401 403 403 403 403 403 403 403 201 403
POST /v1/imports/:id/files                    own  401 403 403 403 403 403 403 403 201 403
                                       other none  401 403 403 403 403 403 403 403 404 403
POST /v1/imports/:id/complete                 own  401 403 403 403 403 403 403 403 202 403
                                       other none  401 403 403 403 403 403 403 403 404 403
POST /v1/imports/:id/cancel                   own  401 403 403 403 403 403 403 403 200 403
                                       other none  401 403 403 403 403 403 403 403 404 403
GET /v1/imports                                 -  401 403 403 403 403 403 403 403 200 403
GET /v1/imports/:id                           own  401 403 403 403 403 403 403 403 200 403
                                       other none  401 403 403 403 403 403 403 403 404 403
GET /v1/imports/:id/issues                    own  401 403 403 403 403 403 403 403 200 403
                                       other none  401 403 403 403 403 403 403 403 404 403

# What a feed sent broken: it sees its own, the records office works it off. So do merges of charts.
GET /v1/imports/quarantine                      -  401 403 403 403 403 200 403 403 200 403
GET /v1/imports/quarantine/:id                own  401 403 403 403 403 200 403 403 200 403
                                            other  401 403 403 403 403 200 403 403 404 403
                                             none  401 403 403 403 403 404 403 403 404 403
PUT /v1/imports/quarantine/:id                own  401 403 403 403 403 200 403 403 403 403
                                             none  401 403 403 403 403 404 403 403 403 403
POST /v1/imports/quarantine/:id/retry         own  401 403 403 403 403 202 403 403 403 403
                                             none  401 403 403 403 403 404 403 403 403 403
POST /v1/imports/quarantine/:id/discard       own  401 403 403 403 403 200 403 403 403 403
                                           closed  401 403 403 403 403 409 403 403 403 403
                                             none  401 403 403 403 403 404 403 403 403 403
GET /v1/chart-merges                            -  401 403 403 403 403 200 403 403 403 403
POST /v1/chart-merges/:id/confirm             own  401 403 403 403 403 200 403 403 403 403
                                             none  401 403 403 403 403 404 403 403 403 403
POST /v1/chart-merges/:id/undo                own  401 403 403 403 403 200 403 403 403 403
                                             none  401 403 403 403 403 404 403 403 403 403

# The trail: compliance officers, nobody else.
GET /v1/audit/events                            -  401 403 403 403 403 403 200 403 403 403
GET /v1/audit/reports/period                    -  401 403 403 403 403 403 200 403 403 403
GET /v1/audit/reports/comparison                -  401 403 403 403 403 403 200 403 403 403
GET /v1/audit/sessions                          -  401 403 403 403 403 403 200 403 403 403
GET /v1/audit/sessions/:id                  other  401 403 403 403 403 403 200 403 403 403
                                             none  401 403 403 403 403 403 404 403 403 403
# Saved queries: own ones; team: shared by another officer; other: another officer's own.
GET /v1/audit/queries                           -  401 403 403 403 403 403 200 403 403 403
POST /v1/audit/queries                          -  401 403 403 403 403 403 201 403 403 403
GET /v1/audit/queries/:id                own team  401 403 403 403 403 403 200 403 403 403
                                       other none  401 403 403 403 403 403 404 403 403 403
PUT /v1/audit/queries/:id                     own  401 403 403 403 403 403 200 403 403 403
                                             team  401 403 403 403 403 403 403 403 403 403
                                       other none  401 403 403 403 403 403 404 403 403 403
DELETE /v1/audit/queries/:id                  own  401 403 403 403 403 403 204 403 403 403
                                             team  401 403 403 403 403 403 403 403 403 403
                                       other none  401 403 403 403 403 403 404 403 403 403
GET /v1/audit/queries/:id/events         own team  401 403 403 403 403 403 200 403 403 403
                                       other none  401 403 403 403 403 403 404 403 403 403
POST /v1/audit/erasures                         -  401 403 403 403 403 403 201 403 403 403
GET /v1/audit/health                            -  401 403 403 403 403 403 200 403 403 403
GET /v1/audit/verify                            -  401 403 403 403 403 403 200 403 403 403
POST /v1/audit/verify                           -  401 403 403 403 403 403 202 403 403 403
GET /v1/audit/events/:seq                   other  401 403 403 403 403 403 200 403 403 403
                                             none  401 403 403 403 403 403 404 403 403 403

# Where the trail lies, and what keeps it. Closed: released before.
GET /v1/audit/blocks                            -  401 403 403 403 403 403 200 403 403 403
POST /v1/audit/holds                            -  401 403 403 403 403 403 201 403 403 403
GET /v1/audit/holds                             -  401 403 403 403 403 403 200 403 403 403
GET /v1/audit/holds/:id              other closed  401 403 403 403 403 403 200 403 403 403
                                             none  401 403 403 403 403 403 404 403 403 403
POST /v1/audit/holds/:id/release            other  401 403 403 403 403 403 200 403 403 403
                                           closed  401 403 403 403 403 403 409 403 403 403
                                             none  401 403 403 403 403 403 404 403 403 403

# Copies of the trail: what goes out in bulk.
POST /v1/audit/exports                          -  401 403 403 403 403 403 202 403 403 403
GET /v1/audit/exports                           -  401 403 403 403 403 403 200 403 403 403
GET /v1/audit/exports/:id              other future 401 403 403 403 403 403 200 403 403 403
                                             none  401 403 403 403 403 403 404 403 403 403
GET /v1/audit/exports/:id/bundle            other  401 403 403 403 403 403 200 403 403 403
                                           future  401 403 403 403 403 403 409 403 403 403
                                             none  401 403 403 403 403 403 404 403 403 403
POST /v1/audit/exports/:id/end              other  401 403 403 403 403 403 200 403 403 403
                                           closed  401 403 403 403 403 403 409 403 403 403
                                             none  401 403 403 403 403 403 404 403 403 403
GET /v1/audit/exports/:id/:name             other  401 403 403 403 403 403 200 403 403 403
                                           future  401 403 403 403 403 403 409 403 403 403
                                             none  401 403 403 403 403 403 404 403 403 403

# What is signed of the trail, and its hashes: open to all, so that anybody may watch that nothing is taken away. The entries are not.
GET /v1/audit/checkpoint                        -  200 200 200 200 200 200 200 200 200 200
GET /v1/audit/keys                              -  200 200 200 200 200 200 200 200 200 200
GET /v1/audit/proof/consistency                 -  200 200 200 200 200 200 200 200 200 200
GET /v1/audit/tile/*                        other  200 200 200 200 200 200 200 200 200 200
                                             none  404 404 404 404 404 404 404 404 404 404
GET /v1/audit/tile/entries/*                other  401 403 403 403 403 403 200 403 403 403
                                             none  401 403 403 403 403 403 404 403 403 403
GET /v1/audit/proof/inclusion               other  401 403 403 403 403 403 200 403 403 403
                                             none  401 403 403 403 403 403 404 403 403 403
GET /v1/audit/events/:seq/around            other  401 403 403 403 403 403 200 403 403 403
                                             none  401 403 403 403 403 403 404 403 403 403
# One event with its proof: officers, and the patient whom it is about.
GET /v1/audit/events/:seq/receipt             own  401 200 403 403 403 403 200 403 403 403
                                            other  401 404 403 403 403 403 200 403 403 403
                                             none  401 404 403 403 403 403 404 403 403 403
`;

export interface Row {
  /** Method and path as declared: `GET /v1/records/:id`. */
  route: string;
  relation: Relation;
  expected: Record<Person, number>;
}

/** The table, one row for each route and relation. */
export function accessMatrix(): Row[] {
  let route = '';
  return MATRIX.split('\n')
    .slice(2)
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .flatMap((line) => {
      const words = line.trim().split(/\s+/);
      if (!line.startsWith(' ')) route = words.splice(0, 2).join(' ');
      if (words.length === 0) return [];
      const statuses = words.splice(-PEOPLE.length).map(Number);
      const expected = Object.fromEntries(PEOPLE.map((person, at) => [person, statuses[at]!])) as Row['expected'];
      return (words as Relation[]).map((relation) => ({ route, relation, expected }));
    });
}
