/** The value below which this share of the samples lies (nearest rank). `share` is between 0 and 1. */
export function quantile(samples: readonly number[], share: number): number {
  if (samples.length === 0) throw new TypeError('There are no samples.')
  const sorted = samples.toSorted((a, b) => a - b)
  const index = Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))
  return sorted[index]!
}

export const median = (samples: readonly number[]): number => quantile(samples, 0.5)

export function mean(samples: readonly number[]): number {
  if (samples.length === 0) throw new TypeError('There are no samples.')
  return samples.reduce((sum, sample) => sum + sample, 0) / samples.length
}

/** Runs the task this many times, one after the other; gives the milliseconds of each. */
export async function time(runs: number, task: (run: number) => Promise<unknown>): Promise<number[]> {
  const samples: number[] = []
  for (let run = 0; run < runs; run += 1) {
    const started = performance.now()
    await task(run)
    samples.push(performance.now() - started)
  }
  return samples
}
