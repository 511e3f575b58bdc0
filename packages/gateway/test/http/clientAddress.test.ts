import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createClientAddress, networkOf } from '../../src/http/clientAddress.ts'

const PROXY = '10.0.0.1'
/** What addresses, and the headers that hold them, are made of. */
const CHARACTERS = '0123456789abcdef.:,;="[]% for'.split('')
const ask = (
  headers: Record<string, string>,
  peer: string | undefined,
  header: 'x-forwarded-for' | 'forwarded' = 'x-forwarded-for',
) =>
  createClientAddress({ trustedProxies: { addresses: ['10.0.0.0/8', '::1'], header } })(
    new Request('https://gateway.example/', { headers }),
    { incoming: { socket: { remoteAddress: peer } } },
  )

describe('createClientAddress', () => {
  it('T11: takes the last address that is not a trusted proxy', () => {
    expect(ask({ 'x-forwarded-for': '203.0.113.9, 198.51.100.7, 10.1.2.3' }, PROXY)).toBe('198.51.100.7')
  })

  it('T11: believes nobody who is not a trusted proxy', () => {
    expect(ask({ 'x-forwarded-for': '203.0.113.9' }, '192.0.2.1')).toBe('192.0.2.1')
    const unconfigured = createClientAddress({ trustedProxies: undefined })
    const request = new Request('https://gateway.example/', { headers: { 'x-forwarded-for': '203.0.113.9' } })
    expect(unconfigured(request, { incoming: { socket: { remoteAddress: PROXY } } })).toBe(PROXY)
  })

  it.each(['x_forwarded_for', 'x-forwarded_for', 'forwarded', 'x-real-ip', 'x-client-ip', 'true-client-ip'])(
    'T11: does not look at %s, which the proxies do not write',
    (name) => {
      expect(ask({ [name]: name === 'forwarded' ? 'for=203.0.113.9' : '203.0.113.9' }, PROXY)).toBe(PROXY)
    },
  )

  it('reads Forwarded where the proxies write that (RFC 7239)', () => {
    const forwarded = 'for=203.0.113.9;proto=http, For="[2001:db8::17]:4711";by=10.1.1.1, for=10.1.2.3'
    expect(ask({ forwarded }, PROXY, 'forwarded')).toBe('2001:db8::17')
    expect(ask({ 'x-forwarded-for': '203.0.113.9' }, PROXY, 'forwarded')).toBe(PROXY)
  })

  it('stops at what is no address, for what lies before it anybody may have written', () => {
    expect(ask({ 'x-forwarded-for': '203.0.113.9, unknown, 10.1.2.3' }, PROXY)).toBe('10.1.2.3')
    expect(ask({ forwarded: 'for=203.0.113.9, for=_hidden' }, PROXY, 'forwarded')).toBe(PROXY)
  })

  it('knows an IPv4 address in its IPv6 spelling, with a port or a zone', () => {
    expect(ask({ 'x-forwarded-for': '198.51.100.7:443' }, '::ffff:10.0.0.1')).toBe('198.51.100.7')
    expect(ask({}, 'fe80::1%eth0')).toBe('fe80::1')
  })

  it('gives none where the server brings none along, and none of what is not one', () => {
    expect(
      createClientAddress({ trustedProxies: undefined })(new Request('https://gateway.example/'), undefined),
    ).toBeUndefined()
    expect(ask({}, 'not an address')).toBeUndefined()
  })

  it('takes the address from the program that the gateway is part of', () => {
    const address = createClientAddress({ trustedProxies: undefined, remoteAddress: () => '198.51.100.7' })
    expect(address(new Request('https://gateway.example/'), undefined)).toBe('198.51.100.7')
  })

  it('T11: never throws and never gives what is not an address, whatever the header says', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...CHARACTERS) }), (value) => {
        for (const header of ['x-forwarded-for', 'forwarded'] as const) {
          expect(ask({ [header]: value }, PROXY, header)).toMatch(/^[0-9a-f.:]+$/)
        }
      }),
    )
  })
})

describe('networkOf', () => {
  it('counts an IPv4 address as one caller, and an IPv6 one with all of its /64', () => {
    expect(networkOf('192.0.2.1')).toBe('192.0.2.1')
    expect(networkOf('2001:db8:1:2:3:4:5:6')).toBe(networkOf('2001:db8:1:2::1'))
    expect(networkOf('2001:db8:1:3::1')).not.toBe(networkOf('2001:db8:1:2::1'))
  })
})
