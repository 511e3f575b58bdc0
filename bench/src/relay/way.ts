import { mean, median, quantile, time } from '../statistics.ts'
import type { Usage } from './startProcess.ts'

export type Call = () => Promise<void>

/** One way to the upstream, and what it has cost so far. */
export class Way {
  readonly call: Call
  readonly #usage: () => Promise<Usage>
  readonly #samples: number[] = []
  readonly #cpuOfBlocks: number[] = []

  constructor(call: Call, { usage }: { readonly usage: () => Promise<Usage> }) {
    this.call = call
    this.#usage = usage
  }

  async measureBlock(calls: number): Promise<void> {
    const cpuMs = await this.#cpuOf(async () => void this.#samples.push(...(await time(calls, this.call))))
    this.#cpuOfBlocks.push(cpuMs / calls)
  }

  /** CPU milliseconds of one call, where this many are under way at the same time. */
  async cpuPerCallAtOnce(calls: number, atOnce: number): Promise<number> {
    const each = Math.ceil(calls / atOnce)
    const workers = async (): Promise<void> => {
      await Promise.all(Array.from({ length: atOnce }, async () => await time(each, this.call)))
    }
    return (await this.#cpuOf(workers)) / (each * atOnce)
  }

  get p50(): number {
    return median(this.#samples)
  }

  get p99(): number {
    return quantile(this.#samples, 0.99)
  }

  /** Of all blocks together, garbage collection included. All have the same number of calls. */
  get cpuPerCall(): number {
    return mean(this.#cpuOfBlocks)
  }

  /** The median of the blocks: what else the machine was doing in some of them does not count, nor what is rare. */
  get medianCpuPerCall(): number {
    return median(this.#cpuOfBlocks)
  }

  async #cpuOf(task: () => Promise<void>): Promise<number> {
    const before = await this.#usage()
    await task()
    return (await this.#usage()).cpuMs - before.cpuMs
  }
}
