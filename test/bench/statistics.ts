export const median = (numbers: readonly number[]): number => quantile(numbers, 0.5);

export function quantile(numbers: readonly number[], share: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}

/**
 * 95 % bootstrap interval of the median. Times of neighbouring requests depend on each other, so that tests which assume a
 * distribution find differences that are none; the pairs are in random order, and their differences are drawn anew.
 */
export function medianInterval(differences: readonly number[], rounds = 2_000): [number, number] {
  const medians = Array.from({ length: rounds }, () =>
    median(Array.from(differences, () => differences[Math.floor(Math.random() * differences.length)]!)),
  );
  return [quantile(medians, 0.025), quantile(medians, 0.975)];
}
