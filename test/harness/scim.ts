import { expect } from '@jest/globals';
import type supertest from 'supertest';
import { freshName, type Caller } from './people.js';
import type { Portal } from './portal.js';

export const ERROR = 'urn:ietf:params:scim:api:messages:2.0:Error';
export const PATCH_OP = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';
export const USER = 'urn:ietf:params:scim:schemas:core:2.0:User';
export const GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group';
export const TYPE = 'application/scim+json';

export interface ScimUser {
  id: string;
  userName: string;
  active: boolean;
  displayName: string;
  emails: { value: string }[];
  groups: { value: string; display: string }[];
  roles: { value: string }[];
  meta: { version: string; lastModified: string; location: string };
  [other: string]: unknown;
}

export interface ScimGroup {
  id: string;
  displayName: string;
  members: { value: string }[];
  meta: { version: string };
}

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

/** The hospital's directory as it talks SCIM, with a bearer secret that an administrator made. */
export class Directory {
  constructor(
    readonly portal: Portal,
    readonly id: string,
    readonly token: string,
    readonly tokenId: string,
  ) {}

  send(method: Method, path: string, body?: object): supertest.Test {
    const request = this.portal.http[method](`/scim/v2${path}`).set('Authorization', `Bearer ${this.token}`);
    return body === undefined ? request : request.set('Content-Type', TYPE).send(JSON.stringify(body));
  }

  get(path: string, query: Record<string, string | number | undefined> = {}): supertest.Test {
    return this.send('get', path).query(query);
  }

  patch(path: string, ...operations: object[]): supertest.Test {
    return this.send('patch', path, { schemas: [PATCH_OP], Operations: operations });
  }

  async user(over: object = {}): Promise<ScimUser> {
    const answer = await this.send('post', '/Users', newUser(over));
    expect([answer.status, answer.text]).toEqual([201, answer.text]);
    return answer.body as ScimUser;
  }

  async group(displayName: string, members: readonly string[] = []): Promise<ScimGroup> {
    const body = { schemas: [GROUP], displayName, members: members.map((value) => ({ value })) };
    const answer = await this.send('post', '/Groups', body);
    expect([answer.status, answer.text]).toEqual([201, answer.text]);
    return answer.body as ScimGroup;
  }

  async read(id: string): Promise<ScimUser> {
    return (await this.get(`/Users/${id}`).expect(200)).body as ScimUser;
  }

  /** userNames of the users that a filter finds. */
  async found(filter: string): Promise<string[]> {
    const { body } = await this.get('/Users', { filter }).expect(200);
    return (body as { Resources: ScimUser[] }).Resources.map((one) => one.userName);
  }
}

export function newUser(over: object = {}): object {
  const name = freshName('scim');
  return {
    schemas: [USER],
    userName: `${name}@hospital.test`,
    name: { givenName: 'Sana', familyName: 'Scim' },
    emails: [{ value: `${name}@hospital.test`, type: 'work', primary: true }],
    active: true,
    ...over,
  };
}

/** A directory's account, opened by the administrator, and a bearer secret for it. */
export async function openDirectory(portal: Portal, admin: Caller): Promise<Directory> {
  const account = { displayName: 'Directory', email: 'it@hospital.test', roles: ['directory'] };
  const { body: opened } = await admin.post('/v1/users', account).expect(201);
  const { id } = opened as { id: string };
  const { body: made } = await admin.post(`/v1/users/${id}/scim-tokens`, { name: 'In use' }).expect(201);
  const { token, id: tokenId } = made as { token: string; id: string };
  return new Directory(portal, id, token, tokenId);
}

/** Status and kind of an error, after looking at its form. */
export function refusal(answer: supertest.Response): [number, string | undefined] {
  const body = answer.body as { schemas: string[]; status: string; scimType?: string; detail: string };
  expect(answer.headers['content-type']).toMatch(/^application\/scim\+json/);
  expect(body.schemas).toEqual([ERROR]);
  expect(body.status).toBe(String(answer.status));
  expect(body.detail.length).toBeGreaterThan(10);
  expect(Object.keys(body).filter((key) => !['schemas', 'status', 'scimType', 'detail'].includes(key))).toEqual([]);
  return [answer.status, body.scimType];
}
