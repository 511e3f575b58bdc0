import type { BackendSubject } from './backendSubject.ts'
import type { Stage } from './stage.ts'

/** A case before it is known on what it is run. */
export interface ContractCase {
  readonly name: string
  /** What of the subject it cannot do without. */
  readonly needs?: readonly Need[]
  readonly run: (stage: Stage) => Promise<void>
}

export type Need = keyof typeof NEEDS

const NEEDS = {
  authorize: 'nobody has to authorize anything',
  configs: 'it looks at no config',
  endTokens: 'its tokens cannot be ended',
  mintsLinks: 'it is not told which requests make links',
  requests: 'it sends no requests',
} as const

/** Why a case cannot be run on this subject; undefined if it can. */
export function skippedBecause({ needs = [] }: ContractCase, subject: BackendSubject): string | undefined {
  const has: Record<Need, boolean> = {
    authorize: subject.authorize !== undefined,
    configs: subject.anyConfig !== true,
    endTokens: subject.endTokens !== undefined,
    mintsLinks: subject.mintsLinks !== undefined,
    requests: subject.offline !== true,
  }
  const lacking = needs.find((need) => !has[need])
  return lacking && NEEDS[lacking]
}
