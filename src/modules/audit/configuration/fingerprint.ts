/** One setting: where it stands in the configuration, and its value as text. */
export type Setting = readonly [name: string, value: string];

/** Of one machine, and no change of what the portal does: replicas differ in them all the time. */
const OF_ONE_MACHINE = new Set(['dataDir', 'http.host', 'http.port']);

/** Every setting by its place in the configuration, in the order of names; lists are one value each. */
export function settingsOf(config: object, prefix = ''): Setting[] {
  return Object.entries(config)
    .flatMap(([key, value]: [string, unknown]): Setting[] => {
      const name = `${prefix}${key}`;
      if (OF_ONE_MACHINE.has(name)) return [];
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) return settingsOf(value, `${name}.`);
      return [[name, JSON.stringify(value) ?? 'null']];
    })
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

export interface Change {
  /** Names of settings that are other than before, that are new, or that are gone. */
  changed: string[];
  /** `name=digest` of those that stood there before. */
  before: string[];
}

/**
 * What is other than in the event of before, which holds `name=digest` of every setting. A digest of the same value under a former
 * key is no change: `digestsOf` gives those under all keys.
 */
export function changeSince(
  previous: readonly string[],
  settings: readonly Setting[],
  digestsOf: (setting: Setting) => readonly string[],
): Change {
  const was = new Map(previous.map((line) => line.split(/=(.*)/s, 2) as [string, string]));
  const changed = settings
    .filter(([name, value]) => !digestsOf([name, value]).includes(was.get(name) ?? ''))
    .map(([name]) => name);
  const names = new Set(settings.map(([name]) => name));
  const gone = [...was.keys()].filter((name) => !names.has(name));
  const all = [...changed, ...gone].sort();
  return { changed: all, before: all.filter((name) => was.has(name)).map((name) => `${name}=${was.get(name)}`) };
}
