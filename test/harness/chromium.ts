import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium, type Browser, type BrowserContext, type CDPSession, type Page } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

function found(): string | null {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const files = process.env.CHROMIUM
    ? [process.env.CHROMIUM]
    : folders.flatMap((folder) => NAMES.map((name) => join(folder, name)));
  return files.find(isProgram) ?? null;
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Chromium of this machine: CHROMIUM, or by its usual names on PATH. Null: there is none. */
const program = found();

/** Words for the name of a suite that is skipped without it. */
export const WITHOUT_CHROMIUM = program
  ? ''
  : ' (skipped: there is no Chromium here; install the package chromium, or name the program in CHROMIUM)';

// Pages of several sites in one process: scripts in frames are seen as those of their page.
const ONE_PROCESS = '--disable-features=IsolateOrigins,site-per-process,IsolateSandboxedIframes';
/** Nothing leaves the machine, whatever a page asks for. */
const NOWHERE = '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1';

export const openChromium = (): Promise<Browser> =>
  chromium.launch({
    executablePath: program!,
    args: [ONE_PROCESS, NOWHERE, '--mute-audio', '--renderer-process-limit=1', '--disable-gpu'],
    chromiumSandbox: false,
  });

/** What a page did that a text does not do. */
export interface Seen {
  /** Beginnings of what was compiled as a script of the page's own world, run or about to. */
  scripts: string[];
  /** What was asked for beside the address that was opened. */
  requests: string[];
  dialogs: string[];
  /** Windows that it opened, and addresses that it went to. */
  went: string[];
  /** Names of files that it saved. */
  saved: string[];
  /** Names of elements and of attributes that stand in it, frames and templates included. */
  elements: Set<string>;
  attributes: Set<string>;
  /** All texts and values of attributes. */
  texts: Set<string>;
}

export interface Look {
  headers?: Record<string, string>;
  /** Requests that are the page's own business. */
  isExpected?: (url: string) => boolean;
  /** What is answered at the address in place of the server. */
  answer?: { headers: Record<string, string>; body: string | Buffer };
}

/** Milliseconds of the page's own time: what it would do later, it does. */
const ITS_TIME_MS = 10_000;

/** Every event that a person's hand, or loading, could bring about, on each element; and each link and button pressed. */
const PROVOKE = `(() => {
  const events = 'click dblclick mouseover mouseenter mousemove mouseout pointerover pointerdown focus focusin blur keydown keyup input change load error toggle beforetoggle scroll wheel animationstart animationend transitionend begin end copy cut paste drag drop submit reset invalid select pageshow hashchange message popstate beforeprint afterprint resize'.split(' ');
  for (const element of document.querySelectorAll('*')) {
    for (const name of events) element.dispatchEvent(new Event(name));
    if (element.tabIndex >= 0) element.focus?.();
    element.click?.();
    if (!element.click) element.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true }));
  }
  for (const name of events) window.dispatchEvent(new Event(name));
})()`;

/**
 * Opens an address and watches what comes of it, by the browser's own protocol and nothing in the page: whatever is compiled as a script
 * there counts, whether or not it does what its author hoped for.
 */
export async function look(browser: Browser, url: string, options: Look = {}): Promise<Seen> {
  const context = await browser.newContext({ acceptDownloads: true, extraHTTPHeaders: options.headers });
  try {
    return await watched(context, url, options);
  } finally {
    await context.close();
  }
}

async function watched(context: BrowserContext, url: string, { isExpected, answer }: Look): Promise<Seen> {
  const page = await context.newPage();
  if (answer) await page.route(url, (route) => route.fulfill({ status: 200, ...answer }));
  const protocol = await context.newCDPSession(page);
  const seen: Seen = {
    ...{ scripts: [], requests: [], dialogs: [], went: [], saved: [] },
    ...{ elements: new Set(), attributes: new Set(), texts: new Set() },
  };
  const compiled = watchScripts(protocol, seen);
  watchPage(page, seen, (asked) => asked === url.split('#')[0] || isExpected?.(asked) === true);
  context.on('page', (other) => {
    if (other !== page) seen.went.push(`a window: ${other.url()}`);
  });
  await protocol.send('Debugger.enable');
  await protocol.send('Page.enable');
  if (await shows(page, url)) {
    await snapshot(protocol, seen);
    await provoke(protocol);
  }
  await Promise.all(compiled);
  return seen;
}

/** False: it was saved instead. */
async function shows(page: Page, url: string): Promise<boolean> {
  const saved = page.waitForEvent('download').then(
    () => false,
    () => false,
  );
  try {
    await page.goto(url, { waitUntil: 'load' });
    return true;
  } catch (error) {
    if (!String(error).includes('Download is starting')) throw error;
    return saved;
  }
}

function watchScripts(protocol: CDPSession, seen: Seen): Promise<void>[] {
  const compiled: Promise<void>[] = [];
  protocol.on('Debugger.scriptParsed', ({ scriptId, url, executionContextAuxData }) => {
    // Worlds of the protocol's own are not the page's, nor is what the browser says of a page that it could not open.
    if (
      url.startsWith('chrome-error:') ||
      (executionContextAuxData as { isDefault?: boolean } | undefined)?.isDefault === false
    )
      return;
    const source = protocol
      .send('Debugger.getScriptSource', { scriptId })
      .then(({ scriptSource }) => scriptSource.slice(0, 200))
      .catch(() => '');
    compiled.push(source.then((text) => void seen.scripts.push(`${url} ${text}`)));
  });
  return compiled;
}

function watchPage(page: Page, seen: Seen, isOwn: (url: string) => boolean): void {
  page.on('request', (request) => {
    if (!isOwn(request.url())) seen.requests.push(request.url());
  });
  page.on('requestfailed', (request) => {
    // It never left: the policy of the page forbids it, or its sandbox has no origin to ask from.
    if (['csp', 'origin'].includes(request.failure()?.errorText ?? ''))
      seen.requests.splice(seen.requests.indexOf(request.url()), 1);
  });
  page.on('dialog', (dialog) => {
    seen.dialogs.push(dialog.message());
    void dialog.dismiss().catch(() => undefined);
  });
  page.on('download', (download) => void seen.saved.push(download.suggestedFilename()));
  page.on('framenavigated', (frame) => {
    const to = frame.url().split('#')[0]!;
    if (frame.parentFrame() ? true : to !== '' && to !== 'about:blank' && !isOwn(to)) seen.went.push(to);
  });
}

async function provoke(protocol: CDPSession): Promise<void> {
  const { frameTree } = await protocol.send('Page.getFrameTree');
  const { executionContextId } = await protocol.send('Page.createIsolatedWorld', { frameId: frameTree.frame.id });
  const over = new Promise<void>((resolve) => protocol.once('Emulation.virtualTimeBudgetExpired', () => resolve()));
  await protocol
    .send('Runtime.evaluate', { expression: PROVOKE, contextId: executionContextId })
    // The page went elsewhere under it.
    .catch(() => undefined);
  await protocol.send('Emulation.setVirtualTimePolicy', { policy: 'advance', budget: ITS_TIME_MS });
  await over;
}

async function snapshot(protocol: CDPSession, seen: Seen): Promise<void> {
  const { documents, strings } = await protocol.send('DOMSnapshot.captureSnapshot', { computedStyles: [] });
  const at = (index: number): string => strings[index] ?? '';
  for (const { nodes } of documents) {
    nodes.nodeType?.forEach((type, node) => {
      const name = at(nodes.nodeName![node]!).toLowerCase();
      // Others are what the browser itself draws beside an element.
      if (type === 1 && !name.startsWith('::')) seen.elements.add(name);
    });
    for (const pairs of nodes.attributes ?? [])
      pairs.forEach((index, place) =>
        place % 2 === 0 ? seen.attributes.add(at(index).toLowerCase()) : seen.texts.add(at(index)),
      );
    for (const index of nodes.nodeValue ?? []) seen.texts.add(at(index));
  }
}

/** Neither ran, nor asked for, nor opened, nor saved anything. */
export const didNothing = ({ scripts, requests, dialogs, went, saved }: Seen): boolean =>
  [scripts, requests, dialogs, went, saved].every((all) => all.length === 0);
