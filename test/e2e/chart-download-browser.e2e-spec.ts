import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BlobReader, configure, Uint8ArrayWriter, ZipReader, type FileEntry } from '@zip.js/zip.js';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { listOf } from '../harness/attachments.js';
import { didNothing, look, openChromium, WITHOUT_CHROMIUM, type Seen } from '../harness/chromium.js';
import { idOf } from '../harness/copied-chart.js';
import { downloaded } from '../harness/downloads.js';
import { bundleOf, importBundle, issuesOf, type ImportResult } from '../harness/feed.js';
import { openHospital, pages, type Hospital } from '../harness/hospital.js';
import { HOSTILE_FILES, hostileChart } from '../harness/hostile-chart.js';
import { HOSTILE, unescapedPage } from '../harness/hostile-markup.js';
import { checkLedger } from '../harness/ledger.js';
import { makePatient, type Patient } from '../harness/people.js';

configure({ useWebWorkers: false });
// Dozens of pages in one test, of a browser that shares a busy machine.
jest.setTimeout(180_000);

const suite = WITHOUT_CHROMIUM ? describe.skip : describe;
const POLICY = /<meta http-equiv="Content-Security-Policy" content="([^"]*)">/;

let browser: Browser;
let hospital: Hospital;
let pat: Patient;
let imported: ImportResult;
let folder: string;

/** What a ZIP in the mail holds, as whoever gets it unpacks it. */
async function unpacked(): Promise<void> {
  const { id } = await downloaded(pat, pat.patientId);
  const { body } = await pat.post(`/v1/downloads/${id}/transmissions`, { to: 'doctor@elsewhere.test' }).expect(201);
  await hospital.portal.delivered();
  const [attached] = hospital.portal.mails.findLast(({ to }) => to === 'doctor@elsewhere.test')!.attachments!;
  const zip = new Blob([Buffer.from(attached!.content, 'base64')]);
  const reader = new ZipReader(new BlobReader(zip), { password: (body as { passphrase: string }).passphrase });
  for (const entry of (await reader.getEntries()) as FileEntry[])
    writeFileSync(join(folder, entry.filename), await entry.getData(new Uint8ArrayWriter()));
}

const urlOf = (name: string): string => pathToFileURL(join(folder, name)).href;

function page(name: string, content: string): string {
  writeFileSync(join(folder, name), content);
  return urlOf(name);
}

/** Elements and attributes that the page to read is made of; nothing of them runs, loads or leads away. */
const ELEMENTS = [
  ...['html', 'head', 'meta', 'title', 'style', 'body', 'header', 'nav', 'main', 'section', 'h1', 'h2', 'h3', 'p', 'a'],
  ...['ul', 'li', 'div', 'table', 'caption', 'thead', 'tbody', 'tr', 'th', 'td', 'figure', 'figcaption', 'span'],
  ...['svg', 'g', 'rect', 'line', 'polyline', 'circle', 'text'],
];
const ATTRIBUTES = [
  ...[
    'lang',
    'charset',
    'http-equiv',
    'content',
    'name',
    'class',
    'href',
    'id',
    'scope',
    'dir',
    'data-head',
    'role',
    'aria-label',
  ],
  ...['aria-labelledby', 'viewbox', 'width', 'height', 'transform', 'x', 'y', 'x1', 'x2', 'y1', 'y2', 'cx', 'cy', 'r'],
  ...['fill', 'stroke', 'stroke-width', 'points', 'text-anchor', 'font-size'],
];

function expectOnlyWords(seen: Seen): void {
  expect({ ...seen, elements: 0, attributes: 0, texts: 0 }).toEqual({
    ...{ scripts: [], requests: [], dialogs: [], went: [], saved: [], elements: 0, attributes: 0, texts: 0 },
  });
  expect([...seen.elements].filter((name) => !ELEMENTS.includes(name))).toEqual([]);
  expect([...seen.attributes].filter((name) => !ATTRIBUTES.includes(name))).toEqual([]);
}

beforeAll(async () => {
  if (WITHOUT_CHROMIUM) return;
  folder = mkdtempSync(join(tmpdir(), 'portico-browser-'));
  browser = await openChromium();
  hospital = await openHospital({ ACCESS_TOKEN_MINUTES: '60' });
  pat = await makePatient(hospital.portal, hospital.admin, { mrn: 'MRN-PAT' });
  imported = await importBundle(hospital.feed, bundleOf('batch', ...hostileChart()));
  await pat
    .post(`/v1/patients/${pat.patientId}/records`, {
      ...{ kind: 'history', title: HOSTILE[0]!.markup, text: HOSTILE.map(({ markup }) => markup).join('\n') },
    })
    .expect(201);
  await unpacked();
}, 120_000);

afterAll(async () => {
  if (WITHOUT_CHROMIUM) return;
  await browser.close();
  await checkLedger(hospital.portal);
  await hospital.portal.close();
  rmSync(folder, { recursive: true });
});

suite(`the watch over a browser${WITHOUT_CHROMIUM}`, () => {
  it.each(HOSTILE.filter(({ acts }) => acts))('sees $name act where a page does not escape it', async ({ markup }) => {
    expect(didNothing(await look(browser, page('raw.html', unescapedPage(markup))))).toBe(false);
  });

  it('sees nothing on a page that does nothing', async () => {
    expect(didNothing(await look(browser, page('raw.html', unescapedPage('Seen today.'))))).toBe(true);
  });
});

suite(`a copy of a chart whose sender tries everything, opened in a browser${WITHOUT_CHROMIUM}`, () => {
  it('is not without it: its words stand in every place, and what gave itself away by its narrative waits for the records office', async () => {
    const issues = await issuesOf(hospital.feed, imported.id);
    const errors = issues.filter(({ severity }) => severity === 'error');
    expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(['narrative-unsafe', 'narrative-invalid']));
    // One record may be at fault in both ways.
    expect([imported.rejected, imported.quarantined]).toEqual([0, new Set(errors.map(({ entry }) => entry)).size]);
    const { rows } = await hospital.portal.owner.query<{ id: string }>(
      `SELECT source_id AS id FROM records.record WHERE source_id LIKE 'narrative-%'`,
    );
    const passed = new Set(rows.map(({ id }) => HOSTILE[Number(id.split('-')[1])]!.name));
    // A picture of a style sheet is fetched, where somebody shows it, and runs nothing: R4 does not forbid it.
    const acting = HOSTILE.filter(({ name, acts }) => acts && name !== 'a background');
    expect(acting.filter(({ name }) => passed.has(name))).toEqual([]);
    expect([...passed].length).toBeGreaterThan(5);
  });

  it('shows words, and runs, loads, opens and saves nothing, with its policy and without', async () => {
    const html = readFileSync(join(folder, 'health-record.html'), 'utf8');
    expect(html).toMatch(POLICY);
    const without = page('without-policy.html', html.replace(POLICY, ''));
    for (const url of [urlOf('health-record.html'), without]) {
      const seen = await look(browser, url);
      expectOnlyWords(seen);
      const words = [...seen.texts].join('\n').replace(/\s+/g, ' ');
      for (const { name, markup } of HOSTILE)
        expect([name, words.split(markup.replace(/\s+/g, ' ')).length > 10]).toEqual([name, true]);
    }
  });

  // Where a refresh leads to, no policy of a page decides (https://www.w3.org/TR/CSP3/#csp-directives).
  it.each(HOSTILE.filter(({ name, acts }) => acts && !name.startsWith('going elsewhere')))(
    'has a policy that would stop $name from running and loading, had it got through',
    async ({ markup }) => {
      const [policy] = POLICY.exec(readFileSync(join(folder, 'health-record.html'), 'utf8'))!;
      const seen = await look(browser, page('raw.html', unescapedPage(markup, policy)));
      expect([seen.scripts, seen.dialogs, seen.requests]).toEqual([[], [], []]);
    },
  );

  it('has other files that a browser shows as words or pictures, or saves, and nothing more', async () => {
    const names = readdirSync(folder).filter((name) => name.startsWith('attachment-') || /\.(?:json|pdf)$/.test(name));
    // Two Bundles, a PDF, and the history that the patient typed.
    expect(names.length).toBe(HOSTILE_FILES.length - REFUSED.length + 4);
    for (const name of names) {
      const isPdf = name.endsWith('.pdf');
      const { scripts, requests, dialogs, went, saved, elements } = await look(browser, urlOf(name));
      // A PDF is shown by a page of the browser's own, which runs the PDF's JavaScript apart from every page, as any reader does:
      // its alert is the reader's. Nothing of it comes to a page or to the network.
      const left = [...requests, ...went].filter(
        (url) => !(isPdf && (url === urlOf(name) || /^(?:chrome(?:-extension)?:|about:blank)/.test(url))),
      );
      expect([name, scripts, isPdf ? [] : dialogs, left]).toEqual([name, [], [], []]);
      if (saved.length > 0) expect(saved).toEqual([name]);
      const shown = ['html', 'head', 'meta', 'title', 'body', 'pre', 'div', 'img'];
      if (!isPdf) expect([name, [...elements].filter((one) => !shown.includes(one))]).toEqual([name, []]);
    }
  });
});

/** Those whose type, by its content, is of no kind that is taken. */
const REFUSED = ['a page in UTF-16'];
/** Endings that nothing shows as a page, a drawing or a script. */
const HARMLESS = /\.(?:bin|txt|csv|md|json|pdf|gif)$/;

suite(`an attachment of the chart, opened at its address${WITHOUT_CHROMIUM}`, () => {
  const bearer = () => ({ authorization: `Bearer ${pat.tokens.accessToken}` });
  const addresses = new Map<string, string>();

  beforeAll(async () => {
    for (const [n, { name }] of HOSTILE_FILES.entries()) {
      const [one] = await listOf(pat, await idOf(hospital, `file-${n}`));
      if (one!.state === 'stored') addresses.set(name, `${hospital.portal.url}${one!.url}`);
    }
  });

  it('is there, unless its type is of no kind that is taken', () => {
    expect(HOSTILE_FILES.map(({ name }) => name).filter((name) => !addresses.has(name))).toEqual(REFUSED);
  });

  it('is saved under a name that nothing shows as a page, whatever it is and is called', async () => {
    for (const [name, url] of addresses) {
      const { saved, ...seen } = await look(browser, url, { headers: bearer() });
      expect([name, didNothing({ ...seen, saved: [] })]).toEqual([name, true]);
      expect([name, saved]).toEqual([name, [expect.stringMatching(HARMLESS)]]);
      expect(saved[0]).not.toMatch(/[\u0000-\u001f\u202a-\u202e\u2066-\u2069"\\/:*?<>|]/);
    }
  });

  it('runs and loads nothing even where a browser shows it as what its sender calls it: it stands in a sandbox', async () => {
    let acting = 0;
    for (const [n, { name, contentType, bytes }] of HOSTILE_FILES.entries()) {
      const url = addresses.get(name);
      if (url === undefined || bytes.length < 10 || contentType === 'application/pdf') continue;
      const { headers } = await pat.get(new URL(url).pathname).expect(200);
      const { 'content-security-policy': policy } = headers as Record<string, string>;
      const type = { 'content-type': contentType };
      const own = `https://portal.test/${n}`;
      const shown = await look(browser, own, {
        answer: { headers: { ...type, 'content-security-policy': policy! }, body: bytes },
      });
      expect([name, shown.scripts, shown.dialogs, shown.requests]).toEqual([name, [], [], []]);
      const bare = await look(browser, own, { answer: { headers: type, body: bytes } });
      if (bare.scripts.length + bare.requests.length > 0) acting++;
    }
    // Without it some of them do act: the sandbox was seen to hold.
    expect(acting).toBeGreaterThan(5);
  });

  it('is nothing that a page can load as a script, a style sheet or a document', async () => {
    const parts = [...addresses.values()].flatMap((url) => [
      ...[`<script src="${url}"></script>`, `<script type=module src="${url}"></script>`],
      ...[`<link rel=stylesheet href="${url}">`, `<iframe src="${url}"></iframe>`, `<object data="${url}"></object>`],
      ...[`<embed src="${url}">`, `<img src="${url}">`],
    ]);
    const { scripts, dialogs, requests } = await look(browser, `${hospital.portal.url}/page-of-an-attacker`, {
      headers: bearer(),
      isExpected: (url) => [...addresses.values()].includes(url),
      answer: { headers: { 'content-type': 'text/html' }, body: `<!DOCTYPE html><body>${parts.join('')}` },
    });
    expect([scripts, dialogs, requests]).toEqual([[], [], []]);
  });
});

const ADDRESSED = ['a script', 'a picture out of its attribute', 'padded references'];

suite(`what the server itself shows in a browser${WITHOUT_CHROMIUM}`, () => {
  it('runs its own documentation and nothing else, whatever stands in an address', async () => {
    const { url } = hospital.portal;
    for (const { name, markup } of HOSTILE.filter(({ name }) => ADDRESSED.includes(name))) {
      const words = encodeURIComponent(markup).replaceAll("'", '%27');
      for (const path of [`/docs/errors?x=${words}#${words}`, `/docs/${words}`, `/v1/records/${words}`, `/${words}`]) {
        const { scripts, requests, dialogs, went, elements } = await look(browser, `${url}${path}`);
        expect([name, path, scripts, requests, dialogs, went]).toEqual([name, path, [], [], [], []]);
        expect([name, path, elements.has('script') || elements.has('img')]).toEqual([name, path, false]);
      }
    }
    const { scripts, requests } = await look(browser, `${url}/docs`, {
      isExpected: (asked) => asked.startsWith(`${url}/`),
    });
    expect(requests).toEqual([]);
    expect(scripts.filter((one) => !one.startsWith(`${url}/docs/`))).toEqual([]);
  });

  it('shows records as they are answered without running anything of them', async () => {
    const { url } = hospital.portal;
    const chart = `${url}/v1/patients/${pat.patientId}`;
    const [first] = (await pages(pat, `/v1/patients/${pat.patientId}/records`, 200)).flat();
    for (const address of [
      `${chart}/records?limit=200`,
      `${chart}/summary`,
      `${chart}/timeline`,
      `${url}/v1/records/${first!.id}`,
    ]) {
      const headers = { authorization: `Bearer ${pat.tokens.accessToken}` };
      const { saved: _, ...seen } = await look(browser, address, { headers });
      expect([address, didNothing({ ...seen, saved: [] })]).toEqual([address, true]);
    }
  });
});
