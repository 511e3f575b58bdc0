import * as z from 'zod'
import type { Backend } from '../backends/backend.ts'
import { LatchkeyError } from '../errors.ts'
import type { Requirement } from '../readiness/requirement.ts'
import { readSigned, writeSigned, type Sign } from '../signing/signedText.ts'

/** What a handle says: who waits, and for what. */
export interface PendingWait {
  readonly userIdentifier: string
  readonly configName: string
  readonly require: Requirement
}

const PREFIX = 'lkpending_'

const contentSchema = z.object({
  version: z.literal(1),
  userIdentifier: z.string(),
  configName: z.string(),
  require: z.union([z.literal('all'), z.literal('any'), z.array(z.string()).min(1)]),
})

/** A wait as a string, for whatever process has this backend's credential. */
export function writePendingHandle(backend: Backend, { userIdentifier, configName, require }: PendingWait): string {
  return writeSigned(signer(backend), PREFIX, { version: 1, userIdentifier, configName, require })
}

/** @throws {LatchkeyError} `rejected` when it was not made with this backend's credential. */
export function readPendingHandle(backend: Backend, handle: string): PendingWait {
  const parsed = contentSchema.safeParse(readSigned(signer(backend), PREFIX, handle))
  if (parsed.success) return parsed.data
  throw new LatchkeyError(
    'rejected',
    'this pending handle was not made by an app with these client credentials; ask for what is pending again',
  )
}

function signer(backend: Backend): Sign {
  if (backend.sign) return backend.sign.bind(backend)
  throw new LatchkeyError('rejected', `the ${backend.name} has no pending handles`)
}
