/** Named figures, flat, so that anybody can compare two commits. The unit is in the name where it is not a ratio. */
export type Figures = Record<string, number>

/** One comparison: everything that it compares is measured in the same run. */
export interface Benchmark {
  readonly name: string
  /** One line: what is compared with what. */
  readonly title: string
  run(say: (line: string) => void): Promise<Figures>
}
