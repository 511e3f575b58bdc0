import * as z from 'zod'
import { LatchkeyError } from '../errors.ts'
import { readSigned, writeSigned, type Sign } from './signedText.ts'

/** Whose endpoint it is, where the service itself has no instances. */
export interface InstanceKey {
  readonly configId: string
  readonly userIdentifier: string
}

/** Ids that lead to a config and a user by themselves, in every process that has the credential. */
export interface InstanceIds {
  write(key: InstanceKey): string
  /** @throws {LatchkeyError} `rejected` when it was not made with this credential. */
  read(instanceId: string): InstanceKey
}

const PREFIX = 'lkinstance_'
const contentSchema = z.tuple([z.string(), z.string()])

/** Signed, because whoever could make one up would see how far another user is, and be given that user's links. */
export function createInstanceIds(sign: Sign): InstanceIds {
  return {
    write: ({ configId, userIdentifier }) => writeSigned(sign, PREFIX, [configId, userIdentifier]),
    read(instanceId) {
      const parsed = contentSchema.safeParse(readSigned(sign, PREFIX, instanceId))
      if (!parsed.success)
        throw new LatchkeyError(
          'rejected',
          'this instance id was not made with these credentials; ensure the instance again',
        )
      const [configId, userIdentifier] = parsed.data
      return { configId, userIdentifier }
    },
  }
}
