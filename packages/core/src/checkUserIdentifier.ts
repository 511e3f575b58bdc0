import { LatchkeyError } from './errors.ts'
import { userIdentifierSchema } from './wire/schemas.ts'

/** Refuses, before anything is sent, what no backend would take. */
export function checkUserIdentifier(userIdentifier: string): void {
  const parsed = userIdentifierSchema.safeParse(userIdentifier)
  if (parsed.success) return
  throw new LatchkeyError(
    'invalid_user_identifier',
    `the user identifier ${parsed.error.issues[0]?.message ?? 'is invalid'}: pass your app's own id of the user, a string of 1–255 characters`,
  )
}
