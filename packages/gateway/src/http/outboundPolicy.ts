import { lookup as systemLookup, type LookupAddress } from 'node:dns'
import type { LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'
import { GatewayError } from '../errors.ts'

/** Resolves a name to all of its addresses. The seam for tests; the default asks the operating system. */
export type ResolveAll = (
  hostname: string,
  callback: (error: NodeJS.ErrnoException | null, addresses: readonly LookupAddress[]) => void,
) => void

export interface OutboundPolicy {
  /** Parses and checks a URL as it is written. Throws GatewayError `upstream_invalid` if we may not go there. */
  readonly checkUrl: (input: string | URL) => URL
  /** For sockets: checks every address that a name resolves to, at the moment of connecting (DNS rebinding). */
  readonly lookup: LookupFunction
}

/**
 * Where the gateway may connect to: public addresses over https and, for development, loopback. URLs come from upstreams
 * and from authorization servers, so each of them may be an attempt to reach the inside (SSRF; MCP security best
 * practices). A literal never reaches a resolver and a name says nothing until it is resolved: both are checked.
 */
export function createOutboundPolicy({
  allowLoopback,
  resolveAll = resolveWithSystem,
}: {
  allowLoopback: boolean
  resolveAll?: ResolveAll | undefined
}): OutboundPolicy {
  const mayBeLoopback = (hostname: string) => allowLoopback && isLoopbackName(hostname)
  return {
    checkUrl(input) {
      const url = parse(input)
      if (url.username !== '' || url.password !== '') throw refusal(url.hostname, 'its URL holds a user name')
      const loopback = mayBeLoopback(url.hostname)
      if (url.protocol !== 'https:' && !(url.protocol === 'http:' && loopback)) {
        throw refusal(url.hostname, 'its URL is not https')
      }
      const literal = unbracketed(url.hostname)
      if (ipaddr.isValid(literal) && !isAllowedAddress(literal, loopback)) {
        throw refusal(url.hostname, 'its address is not a public one')
      }
      return url
    },
    lookup(hostname, options, callback) {
      resolveAll(hostname, (error, addresses) => {
        if (error) return callback(error, [])
        const loopback = mayBeLoopback(hostname)
        const first = addresses[0]
        if (!first || !addresses.every(({ address }) => isAllowedAddress(address, loopback))) {
          return callback(new AddressRefused(hostname), [])
        }
        return options.all ? callback(null, [...addresses]) : callback(null, first.address, first.family)
      })
    },
  }
}

/** What the lookup fails with; `guardedFetch` makes it the same refusal as that of a literal. */
export class AddressRefused extends Error {
  constructor(hostname: string) {
    super(`${hostname} does not resolve to public addresses only`)
    this.name = 'AddressRefused'
  }
}

export function refusal(hostname: string, reason: string): GatewayError {
  return new GatewayError('upstream_invalid', `The gateway does not connect to ${hostname}: ${reason}.`)
}

function parse(input: string | URL): URL {
  const url = URL.parse(String(input))
  if (!url) throw new GatewayError('upstream_invalid', 'The gateway was given an address that is not a URL.')
  return url
}

function resolveWithSystem(hostname: string, callback: Parameters<ResolveAll>[1]): void {
  systemLookup(hostname, { all: true }, callback)
}

function isLoopbackName(hostname: string): boolean {
  const name = unbracketed(hostname)
  return name === 'localhost' || (ipaddr.isValid(name) && ipaddr.process(name).range() === 'loopback')
}

function unbracketed(hostname: string): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
}

const IPV6_GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3')

function isAllowedAddress(value: string, loopback: boolean): boolean {
  if (!ipaddr.isValid(value)) return false
  const address = ipaddr.process(value)
  const range = address.range()
  if (range === 'loopback') return loopback
  if (range !== 'unicast') return false
  // Outside of 2000::/3 nothing is assigned, but `::127.0.0.1` and the like count as unicast.
  return address.kind() === 'ipv4' || address.match(IPV6_GLOBAL_UNICAST)
}
