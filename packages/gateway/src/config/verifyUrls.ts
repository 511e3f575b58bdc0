import { isLoopback } from './isLoopback.ts'

/** Who verifies users after the consent; undefined where nobody does. */
export interface UserVerification {
  /** Where the app verifies its user, for links that were made without saying. */
  readonly url: string
  /** The origins that a link may name, exactly; that of `url` is among them. */
  readonly allowedOrigins: readonly string[]
}

export interface VerifyUrlRules {
  readonly userVerification: UserVerification | undefined
  /** Whether the gateway is on a loopback address: then apps there may be named too. */
  readonly isLoopback: boolean
}

const LONGEST = 2_048
/** What some readers take for the end of a host, or for a way out of a path. */
const AMBIGUOUS = /[\\#\s]|%2f|%5c|%00/i

/**
 * What is wrong with a URL to which a browser is sent after the consent; undefined: nothing. Its origin must be one of
 * the allowed ones, letter by letter, so that no reader of URLs can see another host in it (security T30).
 */
export function verifyUrlProblem(value: string, { userVerification, ...rules }: VerifyUrlRules): string | undefined {
  const url = URL.parse(value)
  if (url === null || !isAbsolute(value, url)) return 'is not an absolute URL that every reader understands in one way'
  if (url.username !== '' || url.password !== '') return 'must not hold credentials'
  const isLocal = rules.isLoopback && isLoopback(url) && /^https?:$/.test(url.protocol)
  if (isLocal || userVerification?.allowedOrigins.includes(url.origin)) return undefined
  return 'has an origin that the gateway does not allow: see userVerification in its configuration'
}

function isAbsolute(value: string, { origin }: URL): boolean {
  if (value.length > LONGEST || AMBIGUOUS.test(value) || !value.startsWith(origin)) return false
  return /^(?:$|\?|\/(?!\/))/.test(value.slice(origin.length))
}
