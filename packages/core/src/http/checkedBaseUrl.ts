import { isSafeUrl } from './safeUrl.ts'

/**
 * The address of a service, without a slash at its end.
 *
 * @param what for the message: `the gateway URL`.
 * @throws {TypeError} when it is not one that a secret may be sent to.
 */
export function checkedBaseUrl(what: string, url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (!parsed || !isSafeUrl(parsed) || parsed.search || parsed.hash)
    throw new TypeError(
      `${what} must be https (or http on a loopback address), without credentials, query or fragment: a secret is sent to it`,
    )
  return parsed.href.replace(/\/+$/, '')
}
