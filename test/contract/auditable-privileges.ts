import { SessionSweeper } from '../../src/modules/auth/sessions/session-sweeper.js';
import { registered } from '../harness/hospital.js';
import { makeDirectory } from '../harness/people.js';
import { account, because, fresh, REFUSED, somebody, type Auditable } from './auditable.js';

export const PRIVILEGES: readonly Auditable[] = [
  {
    event: 'account opened, with its roles',
    happens: async (stage) => void (await somebody(stage)),
    leaves: [{ sub: 'Account.create', act: 'C', out: 0, res: [account([], ['staff', 'status:invited'])] }],
    kind: 'privilege-change',
  },
  {
    event: 'role given',
    happens: async (stage) => {
      const id = await somebody(stage);
      const role = { role: 'records_officer', ...because };
      await (await fresh(stage, 'admin')).post(`/v1/users/${id}/roles`, role).expect(200);
    },
    leaves: [
      {
        sub: 'Account.grant',
        act: 'U',
        res: [
          { t: 'RoleChange', b: [], a: ['records_officer'] },
          account(['staff', 'status:invited'], ['records_officer', 'staff', 'status:invited']),
        ],
      },
    ],
    kind: 'privilege-change',
  },
  {
    event: 'role that begins later: given, begun, ended',
    happens: async (stage) => {
      const id = await somebody(stage);
      const at = (days: number) => new Date(stage.portal.clock.now().getTime() + days * 86_400_000).toISOString();
      const role = { role: 'records_officer', startsAt: at(1), endsAt: at(2), ...because };
      await (await fresh(stage, 'admin')).post(`/v1/users/${id}/roles`, role).expect(200);
      for (let day = 0; day < 2; day++) {
        stage.portal.clock.forward(86_500);
        await stage.portal.app.get(SessionSweeper).sweep();
      }
    },
    leaves: [
      { sub: 'Account.grant', res: [{ t: 'RoleChange', b: [], a: ['records_officer'] }] },
      {
        sub: 'Account.role-period',
        err: 'users.role-began:records_officer',
        det: { before: [], after: ['records_officer'] },
      },
      {
        sub: 'Account.role-period',
        err: 'users.role-ended:records_officer',
        det: { before: ['records_officer'], after: [] },
      },
    ],
    kind: 'privilege-change',
  },
  {
    event: 'role taken away',
    happens: async (stage) => {
      const id = await somebody(stage);
      await (await fresh(stage, 'admin')).post(`/v1/users/${id}/roles/staff/revoke`, because).expect(200);
    },
    leaves: [
      {
        sub: 'Account.revoke',
        act: 'U',
        res: [{ t: 'RoleChange', b: ['staff'], a: [] }, account(['staff', 'status:invited'], ['status:invited'])],
      },
    ],
    kind: 'privilege-change',
  },
  {
    event: 'account disabled, and enabled',
    happens: async (stage) => {
      const id = await somebody(stage);
      const admin = await fresh(stage, 'admin');
      await admin.post(`/v1/users/${id}/disable`, because).expect(200);
      await admin.post(`/v1/users/${id}/enable`).expect(200);
    },
    leaves: [
      { sub: 'Account.disable', res: [account(['staff', 'status:invited'], ['staff', 'status:disabled'])] },
      { sub: 'Account.enable', res: [account(['staff', 'status:disabled'], ['staff', 'status:invited'])] },
    ],
    kind: 'privilege-change',
  },
  {
    event: 'own role, which nobody gives themselves',
    happens: async (stage) => {
      const admin = await fresh(stage, 'admin');
      await admin.post(`/v1/users/${stage.admin.id}/roles`, { role: 'staff', ...because }).expect(403);
    },
    leaves: [{ sub: 'Account.grant', ...REFUSED, err: 'users.not-to-oneself' }],
  },
  {
    event: 'failed sign-ins forgotten',
    happens: async (stage) => {
      const answer = await (await fresh(stage, 'admin')).post(`/v1/users/${stage.staff.id}/unlock`, because);
      if (answer.status >= 300) throw new Error(answer.text);
    },
    leaves: [{ sub: 'Account.unlock', act: 'U', out: 0 }],
  },
  {
    event: 'practitioner put on a care team, and taken off it',
    happens: async (stage) => {
      const staff = await fresh(stage, 'staff');
      const { id } = await registered({ ...stage, staff });
      const { practitionerId } = stage.clinician;
      const { body } = await staff.post(`/v1/patients/${id}/care-team`, { practitionerId }).expect(201);
      await staff.post(`/v1/patients/${id}/care-team/${(body as { id: string }).id}/end`).expect(200);
    },
    leaves: [
      { sub: 'CareTeam.create', act: 'C', res: [{ t: 'CareTeam' }], cat: ['care-team'] },
      { sub: 'CareTeam.end', act: 'U', res: [{ t: 'CareTeam' }] },
    ],
    kind: 'privilege-change',
  },
  {
    event: "directory's secret made, shown, and taken away",
    happens: async (stage) => {
      const { id } = await makeDirectory(stage.portal, await fresh(stage, 'admin'));
      const admin = await fresh(stage, 'admin');
      const { body } = await admin.post(`/v1/users/${id}/scim-tokens`, { name: 'Test' }).expect(201);
      const answer = await admin.post(`/v1/users/${id}/scim-tokens/${(body as { id: string }).id}/revoke`, because);
      if (answer.status >= 300) throw new Error(answer.text);
    },
    leaves: [
      { sub: 'ClientKey.create', act: 'C', res: [{ t: 'ClientKey' }] },
      { sub: 'ScimToken.create', act: 'C', res: [{ t: 'ScimToken' }] },
      { sub: 'ScimToken.revoke', act: 'U', res: [{ t: 'ScimToken' }] },
    ],
    kind: 'secret-shown',
  },
  {
    event: 'directory: somebody comes, gets a role by a group, and goes',
    happens: async ({ directory }) => {
      const { id } = await directory.user();
      await directory.group('Portal Desk', [id]);
      await directory.patch(`/Users/${id}`, { op: 'replace', path: 'active', value: false }).expect(200);
    },
    leaves: [
      { sub: 'ScimUser.create', act: 'C', res: [{ t: 'Account' }] },
      { sub: 'ScimGroup.create', act: 'C', res: [account([], ['staff']), { t: 'ScimGroup' }] },
      { sub: 'ScimUser.update', act: 'U', res: [account(['status:invited'], ['status:disabled'])] },
    ],
    kind: 'privilege-change',
  },
];
