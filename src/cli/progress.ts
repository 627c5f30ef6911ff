const EVERY_MS = 1_000;

/** Says at most once a second how far long work is, on stderr: stdout is for the result. */
export function progress(): (done: number, of: number, unit: string) => void {
  let last = performance.now();
  return (done, of, unit) => {
    if (performance.now() - last < EVERY_MS) return;
    last = performance.now();
    const percent = of === 0 ? 100 : Math.floor((100 * done) / of);
    process.stderr.write(
      `${percent} % (${Math.round(done).toLocaleString('en')} of ${Math.round(of).toLocaleString('en')} ${unit})\n`,
    );
  };
}
