/**
 * The file of a worker thread beside the module that starts it, without its ending, and what Node needs to run it. Tests run the sources:
 * Node strips the types of `.ts` by itself (erasable syntax only), and the hook finds the imports that end in `.js`.
 */
export function workerFile(ownUrl: string, name: string): { filename: string; execArgv: string[] } {
  if (!ownUrl.endsWith('.ts')) return { filename: new URL(`./${name}.js`, ownUrl).href, execArgv: [] };
  const hook = new URL('./ts-resolve-hook.mjs', import.meta.url).href;
  return { filename: new URL(`./${name}.ts`, ownUrl).href, execArgv: ['--import', hook] };
}
