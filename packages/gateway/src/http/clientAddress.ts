import type { IncomingMessage } from 'node:http'
import ipaddr from 'ipaddr.js'
import { LRUCache } from 'lru-cache'

const MAX_REMEMBERED = 1000

/** Which proxies stand before the gateway, and where they write who asks. */
export interface TrustedProxies {
  /** IP addresses or ranges, such as `10.0.0.0/8`. */
  readonly addresses: readonly string[]
  /** The one header that all of them write. What a caller puts into any other one is not looked at. */
  readonly header: 'x-forwarded-for' | 'forwarded'
}

export interface ClientAddressOptions {
  readonly trustedProxies: TrustedProxies | undefined
  /** Gives the address of the peer, where the HTTP server does not bring it along. Default: it does. */
  readonly remoteAddress?: ((request: Request) => string | undefined) | undefined
}

/** Who asks, for limits and the audit log only; never for URLs that are issued. */
export type ClientAddress = (request: Request, environment: unknown) => string | undefined

/**
 * The address of whoever asks: that of the peer or, where the peer is a trusted proxy, the last one in its header that
 * is not one itself (security T11; RFC 7239 section 5.2 for `Forwarded`). Whatever a caller has put before it counts for
 * nothing.
 */
export function createClientAddress({ trustedProxies, remoteAddress }: ClientAddressOptions): ClientAddress {
  const ranges = (trustedProxies?.addresses ?? []).map(parseRange)
  const isTrusted = (address: ipaddr.IPv4 | ipaddr.IPv6) =>
    ranges.some(([base, bits]) => address.kind() === base.kind() && address.match(base, bits))

  function readClient(peer: string, headers: Headers): string | undefined {
    const address = parse(peer)
    if (address === undefined || trustedProxies === undefined || !isTrusted(address)) return address?.toString()
    let client = address
    for (const hop of hopsOf(headers, trustedProxies.header).toReversed()) {
      const parsed = parse(hop)
      // Who wrote that is not known, so the last one who is known is who asks.
      if (parsed === undefined) break
      client = parsed
      if (!isTrusted(parsed)) break
    }
    return client.toString()
  }

  // Reading an address takes longer than all else that is done for a request that is only let through.
  const peers = new LRUCache<string, string>({ max: MAX_REMEMBERED })
  return (request, environment) => {
    const peer = remoteAddress?.(request) ?? peerOf(environment)
    if (peer === undefined) return undefined
    if (trustedProxies !== undefined) return readClient(peer, request.headers)
    const known = peers.get(peer) ?? readClient(peer, request.headers)
    if (known !== undefined) peers.set(peer, known)
    return known
  }
}

/** Throws where it is no IP address or range. */
export function parseRange(range: string): [ipaddr.IPv4 | ipaddr.IPv6, number] {
  if (range.includes('/')) return ipaddr.parseCIDR(range)
  const address = ipaddr.process(range)
  return [address, address.kind() === 'ipv4' ? 32 : 128]
}

/** What is counted as one caller: an IPv4 address, or the network that an IPv6 host chooses its addresses from. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address
  const parsed = parse(address)
  if (parsed === undefined || parsed.kind() === 'ipv4') return address
  return ipaddr.IPv6.networkAddressFromCIDR(`${parsed.toString()}/64`).toString()
}

function hopsOf(headers: Headers, header: TrustedProxies['header']): string[] {
  const value = headers.get(header) ?? ''
  if (value === '') return []
  const parts = value.split(',').map((part) => part.trim())
  if (header === 'x-forwarded-for') return parts
  // An element without a usable `for` is one that nobody is known by: it ends the search.
  return parts.map((part) => /(?:^|;)\s*for=(?:"([^"]*)"|([^;\s]+))/i.exec(part)?.slice(1).find(Boolean) ?? '')
}

/** With or without a port. */
function parse(text: string | undefined): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  if (text === undefined) return undefined
  const [, bracketed] = /^\[([^\]]+)\](?::\d+)?$/.exec(text) ?? []
  const [, ipv4] = /^(\d+\.\d+\.\d+\.\d+)(?::\d+)?$/.exec(text) ?? []
  const bare = (bracketed ?? ipv4 ?? text).replace(/%.*$/, '')
  return ipaddr.IPv6.isValid(bare) || ipaddr.IPv4.isValidFourPartDecimal(bare) ? ipaddr.process(bare) : undefined
}

function peerOf(environment: unknown): string | undefined {
  return incomingOf(environment)?.socket?.remoteAddress
}

/** `@hono/node-server` hands Node's own request on beside the web's. */
export function incomingOf(environment: unknown): Partial<IncomingMessage> | undefined {
  if (typeof environment !== 'object' || environment === null || !('incoming' in environment)) return undefined
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is not one has none of its fields either
  return environment.incoming as Partial<IncomingMessage> | undefined
}
