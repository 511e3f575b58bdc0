import type { BackendSubject } from './backendSubject.ts'
import { skippedBecause } from './contractCase.ts'
import { endpointCases } from './endpointCases.ts'
import { faultCases } from './faultCases.ts'
import { instanceCases } from './instanceCases.ts'
import { lieCases } from './lieCases.ts'
import { readinessCases } from './readinessCases.ts'
import { Stage } from './stage.ts'

/** One promise that every backend keeps. */
export interface BackendCase {
  readonly name: string
  /** Why it cannot be tried on this subject; undefined if it can. */
  readonly skipped: string | undefined
  /** Rejects with an `AssertionError` where the promise is not kept. Cases may run at the same time. */
  readonly run: () => Promise<void>
}

/**
 * The contract of `Backend` as cases for whatever test runner there is: what a backend must do, and what must not happen
 * while its service is slow, down, or lying.
 *
 * @example
 * describe('myBackend', () => {
 *   for (const { name, skipped, run } of backendContract(subject)) it.skipIf(skipped)(name, run)
 * })
 */
export function backendContract(subject: BackendSubject): readonly BackendCase[] {
  const cases = [...instanceCases, ...readinessCases, ...endpointCases, ...faultCases, ...lieCases]
  return cases.map((contractCase) => ({
    name: contractCase.name,
    skipped: skippedBecause(contractCase, subject),
    run: async () => {
      await using stage = new Stage(subject)
      await contractCase.run(stage)
    },
  }))
}
