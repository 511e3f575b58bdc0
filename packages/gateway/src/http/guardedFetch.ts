import { LRUCache } from 'lru-cache'
import { Agent, type Dispatcher } from 'undici'
import { GatewayError } from '../errors.ts'
import type { GuardedAnswer, GuardedFetch, GuardedFetchInit } from '../services.ts'
import { connectReadingInPieces } from './connectReadingInPieces.ts'
import { toResponse } from './createAnswer.ts'
import { createOutboundPolicy, type ResolveAll } from './outboundPolicy.ts'
import { sendGuarded } from './sendGuarded.ts'

export interface GuardedFetchOptions {
  /** Whether loopback may be reached, over http too. For gateways that run on loopback themselves. Default: false. */
  readonly allowLoopback?: boolean
  /** How many partitions keep sockets open at the same time. Default 1,000. */
  readonly maxPartitions?: number
  /** Until a connection stands, in milliseconds. Default 5,000. */
  readonly connectTimeoutMs?: number
  /** Resolves names. A seam for tests. */
  readonly resolveAll?: ResolveAll
}

const MAX_CHECKED_URLS = 1000
const DEFAULT_MAX_BYTES = 64 * 1024
const DEFAULT_HEADERS_TIMEOUT_MS = 15_000
const DEFAULT_BODY_IDLE_TIMEOUT_MS = 60_000

/**
 * The only way out of the gateway: https to public addresses, no redirect followed, no proxy from the environment, every
 * size and time bounded (security T40, T42, T44, T45).
 *
 * Sockets are kept open within a `partition` and never shared between two, so that bytes which an upstream sends out of
 * turn can only reach the account that they came for (T51). Without a partition each request has a socket of its own.
 *
 * Throws GatewayError `upstream_invalid` for what is refused, `upstream_unavailable` for what may pass; an abort of the
 * caller's signal comes back as the signal's reason. No message holds a path, a query or a body.
 */
export function createGuardedFetch({
  allowLoopback = false,
  maxPartitions = 1000,
  connectTimeoutMs = 5000,
  resolveAll,
}: GuardedFetchOptions = {}): GuardedFetch & { close(): Promise<void> } {
  const policy = createOutboundPolicy({ allowLoopback, resolveAll })
  /** Each agent has a connector of its own, and with it its own TLS sessions. */
  const createAgent = (pipelining: number): Agent =>
    new Agent({
      // Else the first connection is to find out which protocol it is, and all other requests wait for it (T45).
      allowH2: false,
      connect: connectReadingInPieces({ lookup: policy.lookup, timeout: connectTimeoutMs, autoSelectFamily: true }),
      pipelining,
    })
  const checkedUrls = new LRUCache<string, URL>({ max: MAX_CHECKED_URLS })
  const closing = new Set<Promise<unknown>>()
  const unpartitioned = createAgent(0)
  const partitions = new LRUCache<string, Agent>({
    max: maxPartitions,
    // Lets what is under way end: the agent is out of the map, so nothing new begins on it.
    dispose(agent) {
      const closed = agent.close().catch(ignore)
      closing.add(closed)
      void closed.then(() => closing.delete(closed))
    },
  })

  function dispatcherFor(partition: string | undefined): Dispatcher {
    if (partition === undefined) return unpartitioned
    const existing = partitions.get(partition)
    if (existing) return existing
    const created = createAgent(1)
    partitions.set(partition, created)
    return created
  }

  /** Whether a URL as it is written is allowed never changes; what its name resolves to is checked at each connect. */
  function checkedUrl(input: string): URL {
    const known = checkedUrls.get(input)
    if (known !== undefined) return known
    const url = policy.checkUrl(input)
    checkedUrls.set(input, url)
    return url
  }

  async function send(input: string | URL, init: GuardedFetchInit = {}): Promise<GuardedAnswer> {
    if (closed) throw new GatewayError('upstream_unavailable', 'The gateway is closing.')
    const url = checkedUrl(String(input))
    init.signal?.throwIfAborted()
    return await sendGuarded(dispatcherFor(init.partition), url, {
      ...init,
      maxBytes: init.maxBytes ?? DEFAULT_MAX_BYTES,
      headersTimeoutMs: init.headersTimeoutMs ?? DEFAULT_HEADERS_TIMEOUT_MS,
      bodyIdleTimeoutMs: init.bodyIdleTimeoutMs ?? DEFAULT_BODY_IDLE_TIMEOUT_MS,
    })
  }

  async function guardedFetch(input: string | URL, init: GuardedFetchInit = {}): Promise<Response> {
    return toResponse(await send(input, init), { hasBody: init.method !== 'HEAD' })
  }

  let closed = false
  async function close(): Promise<void> {
    closed = true
    const agents = [unpartitioned, ...partitions.values()]
    await Promise.all(agents.map((agent) => agent.destroy().catch(ignore)))
    partitions.clear()
    await Promise.all(closing)
  }

  return Object.assign(guardedFetch, { send, close })
}

function ignore(): void {}
