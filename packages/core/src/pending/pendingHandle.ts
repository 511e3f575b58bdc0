import { timingSafeEqual } from 'node:crypto'
import * as z from 'zod'
import type { Backend } from '../backends/backend.ts'
import { LatchkeyError } from '../errors.ts'
import { parseJson } from '../http/parseJson.ts'
import type { Requirement } from '../readiness/requirement.ts'

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

/** A wait as a string: readable, without a secret, and signed, so that nobody can make one up for somebody else. */
export function writePendingHandle(backend: Backend, wait: PendingWait): string {
  const { userIdentifier, configName, require } = wait
  const content = JSON.stringify({ version: 1, userIdentifier, configName, require })
  const text = `${PREFIX}${Buffer.from(content).toString('base64url')}`
  return `${text}.${signer(backend)(text)}`
}

/** @throws {LatchkeyError} `rejected` when it was not made with this backend's credential. */
export function readPendingHandle(backend: Backend, handle: string): PendingWait {
  const sign = signer(backend)
  const end = handle.lastIndexOf('.')
  const text = handle.slice(0, Math.max(0, end))
  const isOurs = text.startsWith(PREFIX) && isEqual(handle.slice(end + 1), sign(text))
  const content = isOurs ? Buffer.from(text.slice(PREFIX.length), 'base64url').toString() : ''
  const parsed = contentSchema.safeParse(parseJson(content))
  if (parsed.success) return parsed.data
  throw new LatchkeyError(
    'rejected',
    'this pending handle was not made by an app with these client credentials; ask for what is pending again',
  )
}

function signer(backend: Backend): (text: string) => string {
  if (backend.sign) return backend.sign.bind(backend)
  throw new LatchkeyError('rejected', `the ${backend.name} has no pending handles`)
}

function isEqual(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}
