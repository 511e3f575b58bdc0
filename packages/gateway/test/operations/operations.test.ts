import { errorBodySchema } from '@latchkey/core/wire'
import * as fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import type { GatewayOptions } from '../../src/config/gatewayOptions.ts'
import { openGateway, ORIGIN, type Call, type OpenGateway } from './openGateway.ts'

const opened: OpenGateway[] = []
async function open(options: Partial<GatewayOptions> = {}) {
  const one = await openGateway(options)
  opened.push(one)
  return one
}
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
})

const LIST = { jsonrpc: '2.0', id: 1, method: 'ping' }
const mcp = (body: unknown = LIST): Call => ({
  method: 'POST',
  body,
  headers: { accept: 'application/json, text/event-stream' },
})

async function urlOf({ asApp }: OpenGateway, user: string): Promise<string> {
  const answer = await (
    await asApp()
  )('POST', '/api/v1/mcp/instances', { config_name: 'reader', user_identifier: user })
  return z.object({ instance: z.object({ url: z.string() }) }).parse(await answer.json()).instance.url
}

async function statuses(times: number, ask: () => Promise<Response>): Promise<number[]> {
  const found: number[] = []
  for (let index = 0; index < times; index += 1) found.push((await ask()).status)
  return found
}

describe('the log', () => {
  it('takes no answer and no change down when it fails', async () => {
    const gateway = await open({
      log: () => {
        throw new Error('the log is full')
      },
    })
    const asApp = await gateway.asApp()
    expect((await gateway.call(await urlOf(gateway, 'anna'), mcp())).status).toBe(200)
    expect((await asApp('POST', '/api/v1/users:revoke', { identifier: 'anna' })).status).toBe(200)
    expect((await gateway.call('/mcp/lkurl_none', mcp())).status).toBe(404)
  })
})

describe('rate limits', () => {
  it("T73: a noisy user's agent is refused, and another user's at the same address is not", async () => {
    const gateway = await open({ rateLimits: { credential: { requests: 5, seconds: 60 } } })
    const [noisy, quiet] = [await urlOf(gateway, 'noisy'), await urlOf(gateway, 'quiet')]
    expect(await statuses(8, () => gateway.call(noisy, mcp()))).toEqual([200, 200, 200, 200, 200, 429, 429, 429])
    expect(await statuses(5, () => gateway.call(quiet, mcp()))).toEqual([200, 200, 200, 200, 200])
  })

  it('T73: all agents of one user share the limit of the user', async () => {
    const gateway = await open({ rateLimits: { user: { requests: 3, seconds: 60 } } })
    const reader = await urlOf(gateway, 'anna')
    const other = await (
      await gateway.asApp()
    )('POST', '/api/v1/mcp/instances', {
      config_name: 'finder',
      user_identifier: 'anna',
    })
    const finder = z.object({ instance: z.object({ url: z.string() }) }).parse(await other.json()).instance.url
    expect(await statuses(2, () => gateway.call(reader, mcp()))).toEqual([200, 200])
    expect(await statuses(2, () => gateway.call(finder, mcp()))).toEqual([200, 429])
  })

  it('T73: says to an agent, as JSON-RPC, that nothing was carried out and when to come again', async () => {
    const gateway = await open({ rateLimits: { credential: { requests: 1, seconds: 60 } } })
    const url = await urlOf(gateway, 'anna')
    await gateway.call(url, mcp())
    const refused = await gateway.call(url, mcp())
    expect([refused.status, refused.headers.get('content-type')]).toEqual([429, 'application/json'])
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await refused.json()).toMatchObject({
      jsonrpc: '2.0',
      id: null,
      error: { message: expect.stringContaining('nothing was carried out') },
    })
  })

  it('T73: one API client does not use up what another one may', async () => {
    const gateway = await open({ rateLimits: { client: { requests: 2, seconds: 60 } } })
    const asApp = await gateway.asApp()
    expect(await statuses(3, () => asApp('GET', '/api/v1/mcp/configs'))).toEqual([200, 200, 429])
    const refused = await asApp('GET', '/api/v1/mcp/configs')
    expect(errorBodySchema.parse(await refused.json())).toMatchObject({ code: 'RESOURCE_EXHAUSTED' })
    expect(refused.headers.get('retry-after')).toMatch(/^\d+$/)
    const body = 'grant_type=client_credentials&client_id=other&client_secret=another-secret'
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const { access_token: token } = z
      .object({ access_token: z.string() })
      .parse(await (await gateway.call('/oauth/token', { method: 'POST', headers, body })).json())
    const asOther = { headers: { authorization: `Bearer ${token}` } }
    expect((await gateway.call('/api/v1/mcp/configs', asOther)).status).toBe(200)
  })

  it('T73: who guesses secrets is stopped, even with the right one, and nobody at another address', async () => {
    const gateway = await open({ rateLimits: { failure: { requests: 3, seconds: 60 } } })
    expect(await statuses(4, () => gateway.token('wrong', '203.0.113.9'))).toEqual([401, 401, 401, 429])
    expect((await gateway.token(undefined, '203.0.113.9')).status).toBe(429)
    expect((await gateway.token(undefined, '192.0.2.2')).status).toBe(200)
  })

  it('T73: whoever shares an address with failures and does not fail is served', async () => {
    const gateway = await open({ rateLimits: { failure: { requests: 2, seconds: 60 } } })
    const url = await urlOf(gateway, 'anna')
    expect(await statuses(3, () => gateway.call('/mcp/lkurl_wrong', mcp()))).toEqual([404, 404, 429])
    expect((await gateway.call(url, mcp())).status).toBe(200)
  })

  it('T73: an agent that is answered "not found" has guessed at nothing', async () => {
    const gateway = await open({ rateLimits: { failure: { requests: 2, seconds: 60 } } })
    const url = await urlOf(gateway, 'anna')
    const call = mcp({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} })
    // A session that there is not, as after a rotation of keys.
    const unknown = async () =>
      await gateway.call(url, { ...call, headers: { ...call.headers, 'mcp-session-id': 'gone' } })
    expect(await statuses(4, unknown)).toEqual([404, 404, 404, 404])
    expect((await gateway.token()).status).toBe(200)
  })

  it('T73: a person gets a page', async () => {
    const gateway = await open({ rateLimits: { failure: { requests: 1, seconds: 60 } } })
    await gateway.call('/connect/lklink_wrong')
    const page = await gateway.call('/connect/lklink_wrong')
    expect([page.status, page.headers.get('content-type')]).toEqual([429, expect.stringContaining('text/html')])
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(await page.text()).toContain('too often')
  })

  it('T11: counts the caller behind a trusted proxy, and not what anybody else writes', async () => {
    const gateway = await open({
      trustedProxies: ['10.0.0.0/8'],
      rateLimits: { address: { requests: 2, seconds: 60 } },
    })
    const behind =
      (client: string, from = '10.0.0.1') =>
      async () =>
        await gateway.call('/keys', { from, headers: { 'x-forwarded-for': client } })
    expect(await statuses(3, behind('203.0.113.9'))).toEqual([200, 200, 429])
    expect(await statuses(1, behind('203.0.113.8'))).toEqual([200])
    let spoofed = 0
    const spoofing = async () => await behind(`203.0.113.${(spoofed += 1)}`, '198.51.100.7')()
    expect(await statuses(3, spoofing)).toEqual([200, 200, 429])
  })

  it('are off where they are turned off, and on a loopback address unless they are asked for', async () => {
    const off = await open({ rateLimits: 'off' })
    const loopback = await open({ publicUrl: 'http://127.0.0.1:8787' })
    for (const gateway of [off, loopback]) {
      expect(new Set(await statuses(70, () => gateway.call('/mcp/lkurl_wrong', mcp())))).toEqual(new Set([404]))
    }
  })

  it('leave 60 refusals in a minute to an address by default', async () => {
    const gateway = await open()
    const found = await statuses(61, () => gateway.call('/mcp/lkurl_wrong', mcp()))
    expect([found[59], found[60]]).toEqual([404, 429])
  })
})

describe('proxies', () => {
  const SPOOFED = {
    'x-forwarded-host': 'evil.example',
    x_forwarded_host: 'evil.example',
    'x-forwarded-proto': 'http',
    x_forwarded_proto: 'http',
    'x-forwarded-uri': '/evil',
    'x-forwarded-prefix': '/evil',
    forwarded: 'for=203.0.113.9;host=evil.example;proto=http',
    'x-forwarded-for': '203.0.113.9',
    x_forwarded_for: '203.0.113.9',
  }

  it('T11: change no URL that is issued, no address in the audit log', async () => {
    const gateway = await open()
    const asApp = await gateway.asApp()
    const post = async (path: string, body: unknown) => await (await asApp('POST', path, body, SPOOFED)).text()
    const answers = [
      await post('/api/v1/mcp/instances', { config_name: 'reader', user_identifier: 'anna' }),
      await post('/api/v1/connected_accounts/magic_link', { connector: 'search', identifier: 'anna' }),
    ]
    for (const answer of answers) {
      expect(answer).toContain(`${ORIGIN}/`)
      expect(answer).not.toMatch(/evil|http:/)
    }
    const addresses = gateway.sql('select distinct address from audit_log').map(({ address }) => address)
    expect(addresses).toEqual(['192.0.2.1'])
  })
})

const ready = async (gateway: OpenGateway) => {
  const answer = await gateway.call('/ready')
  return { status: answer.status, ...z.looseObject({}).parse(await answer.json()) }
}

describe('GET /ready', () => {
  it('says that requests may come', async () => {
    expect(await ready(await open())).toEqual({
      status: 'ready',
      checks: { store: 'ok', audit: 'ok', keys: 'ok', accepting: 'ok' },
    })
  })

  it('names what does not work, and says no more about it', async () => {
    const gateway = await open()
    gateway.sql('alter table events rename to events_gone')
    const answer = await gateway.call('/ready')
    const text = await answer.text()
    expect([answer.status, JSON.parse(text)]).toMatchObject([503, { status: 'not_ready', checks: { store: 'failed' } }])
    expect(text).not.toMatch(/events|sqlite|SQL/i)
  })

  it('fails from the moment that the gateway drains, while all else is served', async () => {
    const gateway = await open()
    const url = await urlOf(gateway, 'anna')
    const asApp = await gateway.asApp()
    gateway.gateway.drain()
    expect((await gateway.call('/ready')).status).toBe(503)
    expect((await gateway.call('/health')).status).toBe(200)
    expect((await gateway.call(url, mcp())).status).toBe(200)
    const stream = await asApp('GET', '/api/v1/events?user_identifier=anna')
    expect([stream.status, stream.headers.get('retry-after')]).toEqual([503, '1'])
  })
})

const madeSchema = z.object({ instance: z.object({ url: z.string() }).optional() })

describe('awkward identifiers', () => {
  it('T12: go through creation, a call and the logs: no error, no new header, one record for each event', async () => {
    const gateway = await open({ publicUrl: 'http://127.0.0.1:8787', rateLimits: 'off' })
    const asApp = await gateway.asApp()
    const plain = await asApp('POST', '/api/v1/mcp/instances', { config_name: 'reader', user_identifier: 'plain' })
    const headerNames = [...plain.headers.keys()]
    const identifiers = fc.string({ unit: 'binary', minLength: 1, maxLength: 60 })
    await fc.assert(
      fc.asyncProperty(identifiers, async (identifier) => {
        const before = gateway.log.length
        const made = await asApp('POST', '/api/v1/mcp/instances', {
          config_name: 'reader',
          user_identifier: identifier,
        })
        expect([200, 400]).toContain(made.status)
        expect([...made.headers.keys()]).toEqual(headerNames)
        const lines = gateway.log.slice(before)
        // What a sink writes is one line of JSON, whatever is in it.
        expect(lines.every((line) => !JSON.stringify(line).includes('\n'))).toBe(true)
        expect(lines.map(({ message }) => message)).toEqual(made.ok ? ['audit', 'request'] : ['request'])
        const { instance } = madeSchema.parse(await made.json())
        const call = mcp({ ...LIST, method: 'tools/call', params: { name: identifier } })
        const called = await gateway.call(instance?.url ?? '/mcp/lkurl_none', call)
        expect(called.status).toBe(made.ok ? 200 : 404)
        const after = gateway.log.slice(before + lines.length).filter(({ message }) => message === 'request')
        expect(after).toHaveLength(1)
      }),
      { numRuns: 60 },
    )
  })
})

describe('TLS', () => {
  it('T75: a gateway that is not on loopback starts on https only, and says so to browsers', async () => {
    await expect(openGateway({ publicUrl: 'http://gateway.example' })).rejects.toMatchObject({
      code: 'configuration',
      message: expect.stringContaining('publicUrl: must be https'),
    })
    const gateway = await open()
    expect((await gateway.call('/keys')).headers.get('strict-transport-security')).toMatch(/^max-age=\d{7,}/)
    expect(await urlOf(gateway, 'anna')).toMatch(/^https:\/\/gateway\.example\/mcp\/lkurl_/)
  })

  it('T75: a gateway on loopback does not bind the browser to https', async () => {
    const gateway = await open({ publicUrl: 'http://127.0.0.1:8787' })
    expect((await gateway.call('/keys')).headers.get('strict-transport-security')).toBeNull()
  })
})
