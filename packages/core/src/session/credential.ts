import { isDeepStrictEqual } from 'node:util'
import type { Backend, McpInstance, SessionToken } from '../backends/backend.ts'
import { LatchkeyError } from '../errors.ts'
import { bearerHeaders, type HeaderSource } from '../http/headerSource.ts'
import { isSafeUrl } from '../http/safeUrl.ts'
import { createRenewableToken, type FetchedToken } from '../http/renewableToken.ts'
import type { Subject } from '../readiness/subject.ts'
import type { Timing } from '../timing/timing.ts'

/** How a session proves who it is for. */
export interface Credential extends HeaderSource {
  readonly kind: 'session-token' | 'headers' | 'url'
  readonly url: string
  /** A session token that came in passing: used if it lasts longer than the one there is. */
  offer(sessionToken: SessionToken): void
  /** What it may be used for has changed: another one is got before the next request. */
  forget(): void
}

/** A clock that is wrong must not mint a token for each request; a token that has truly ended is refused and renewed. */
const MIN_LIFE_MS = 60_000

/**
 * A session token for the config's URL, which keeps secrets out of URLs; or, with a backend that has none, the instance's
 * URL with the headers that go with it, or by itself.
 */
export function createCredential(
  backend: Pick<Backend, 'createSessionToken'>,
  instance: McpInstance,
  sessionToken: SessionToken | undefined,
  timing: Timing,
  { partial, tools }: Pick<Subject, 'partial' | 'tools'> = {},
): Credential {
  if (!backend.createSessionToken || instance.mcpServerUrl === undefined) return urlCredential(instance, tools)
  const mint = backend.createSessionToken.bind(backend)
  const url = checkedUrl(instance.mcpServerUrl, instance)
  const toFetched = ({ token: value, expiresAt }: SessionToken): FetchedToken => ({
    value,
    expiresInMs: Math.max(MIN_LIFE_MS, expiresAt.getTime() - timing.now()),
  })
  const token = createRenewableToken(
    async (signal) => toFetched(await mint({ instance, tools, allowPartial: partial }, { signal })),
    timing,
  )
  if (sessionToken) token.offer(toFetched(sessionToken))
  return {
    kind: 'session-token',
    url,
    offer: (offered) => token.offer(toFetched(offered)),
    forget: () => token.forget(),
    ...bearerHeaders(token),
  }
}

function urlCredential(instance: McpInstance, tools: readonly string[] | undefined): Credential {
  if (tools)
    throw new LatchkeyError('rejected', '`tools` needs a backend with session tokens: a URL cannot be narrowed to some')
  if (instance.url === undefined)
    throw new LatchkeyError('invalid_response', `instance ${instance.id} has no MCP URL: the backend gave none`)
  const { headers } = instance
  return {
    kind: headers ? 'headers' : 'url',
    url: checkedUrl(instance.url, instance),
    offer: () => {},
    forget: () => {},
    ...(headers ? renewedHeaders(headers) : NO_HEADERS),
  }
}

const NO_HEADERS: HeaderSource = { headers: async () => ({}), headersAfterRefusal: async () => undefined }

/** Whoever gives the headers keeps them fresh; those that were refused are not sent again. */
function renewedHeaders(get: NonNullable<McpInstance['headers']>): HeaderSource {
  const headers = async (signal?: AbortSignal) => ({ ...(await get(signal)) })
  return {
    headers,
    async headersAfterRefusal(refused, signal) {
      const renewed = await headers(signal)
      return isDeepStrictEqual(renewed, refused) ? undefined : renewed
    },
  }
}

function checkedUrl(url: string, instance: McpInstance): string {
  if (URL.canParse(url) && isSafeUrl(new URL(url))) return url
  throw new LatchkeyError(
    'invalid_response',
    `the MCP URL of instance ${instance.id} is neither https nor on a loopback address, so no secret is sent to it`,
  )
}
