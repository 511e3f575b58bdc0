import { LatchkeyError } from '../errors.ts'

/** What a call rejects with that a signal has ended. @param doing for the message: `listing the tools of user "u1"`. */
export function abortion({ reason }: AbortSignal, doing: string): LatchkeyError {
  return reason instanceof LatchkeyError ? reason : new LatchkeyError('aborted', `${doing} was aborted by its signal`)
}
