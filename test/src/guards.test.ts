import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createHttpBrowser, sendRaw, type Stack, startStack } from './fixtures/index.ts'

const JSON_HEADERS = ['Content-Type: application/json', 'Accept: application/json, text/event-stream']
const PING = '{"jsonrpc":"2.0","id":1,"method":"ping"}'

describe('the gateway over a socket', () => {
  let stack: Stack
  let origin: string
  let host: string
  let port: string
  let endpoint: string
  beforeAll(async () => {
    stack = await startStack()
    origin = stack.gateway.url
    ;({ host, port } = new URL(origin))
    endpoint = new URL(await stack.latchkey.mcpUrl('ann')).pathname
  })
  afterAll(async () => await stack[Symbol.asyncDispose]())

  /** The status and everything that came back; each request on a connection of its own. */
  async function request(
    first: string,
    headers: readonly string[],
    body = '',
  ): Promise<{ status: number; all: string }> {
    const length = body === '' ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]
    const all = await sendRaw(origin, [`${first} HTTP/1.1`, ...headers, ...length, 'Connection: close'], body)
    return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(all)?.[1]), all }
  }
  const withPort = (text: string) => text.replaceAll('PORT', port)

  // Without these, every refusal below could be for another reason.
  it.each(['127.0.0.1:PORT', 'localhost:PORT', 'LOCALHOST:PORT', '[::1]:PORT'])('serves the host %s', async (name) => {
    expect((await request('GET /health', [`Host: ${withPort(name)}`])).status).toBe(200)
    expect((await request(`POST ${endpoint}`, [`Host: ${withPort(name)}`, ...JSON_HEADERS], PING)).status).toBe(200)
  })

  it.each([
    'evil.example',
    'evil.example:PORT',
    'localhost.evil:PORT',
    'localhost.evil.example:PORT',
    '127.0.0.1.nip.io:PORT',
    'localhost:PORT.evil',
    '127.0.0.1',
    '127.0.0.1:1',
    '127.0.0.1:PORT, evil.example',
    '127.0.0.1:PORT@evil.example',
    'x@127.0.0.1:PORT',
    '127.1:PORT',
    '0.0.0.0:PORT',
    '2130706433:PORT',
    '',
  ])('T10: refuses the host "%s" on every kind of path', async (name) => {
    for (const path of ['GET /health', 'GET /connect/lklink_x', 'GET /oauth/callback', 'GET /nowhere']) {
      const { status, all } = await request(path, [`Host: ${withPort(name)}`])
      expect(status === 403 || status === 400).toBe(true)
      expect(all).not.toContain('evil')
    }
    const call = await request(`POST ${endpoint}`, [`Host: ${withPort(name)}`, ...JSON_HEADERS], PING)
    expect(call.status === 403 || call.status === 400).toBe(true)
  })

  it('T10: refuses a request that names two hosts, in whichever order and way', async () => {
    const own = `Host: ${host}`
    const evil = 'Host: evil.example'
    const attempts: [string, string[]][] = [
      ['GET /health', [own, evil]],
      ['GET /health', [evil, own]],
      ['GET http://evil.example/health', [own]],
      [`GET http://${host}/health`, [evil]],
      [`GET http://evil.example@${host}/health`, [evil]],
      ['GET /health', []],
    ]
    for (const [first, headers] of attempts) {
      const { status } = await request(first, headers)
      expect(status === 403 || status === 400, `${first} ${headers.join(' ')}`).toBe(true)
    }
  })

  it.each(['http://127.0.0.1:PORT', 'http://localhost:PORT'])('serves a page of its own origin %s', async (name) => {
    const headers = [`Host: ${host}`, `Origin: ${withPort(name)}`, ...JSON_HEADERS]
    expect((await request(`POST ${endpoint}`, headers, PING)).status).toBe(200)
  })

  it.each([
    'null',
    'http://evil.example',
    'https://127.0.0.1:PORT',
    'http://127.0.0.1',
    'http://127.0.0.1:1',
    'HTTP://127.0.0.1:PORT',
    'http://127.0.0.1:PORT/',
    'http://127.0.0.1:PORT.evil.example',
    'http://localhost.evil:PORT',
    'file://',
    'chrome-extension://abcdefgh',
    'http://127.0.0.1:PORT http://evil.example',
  ])('T10: refuses the origin "%s" and lets no page read the answer', async (name) => {
    const headers = [`Host: ${host}`, `Origin: ${withPort(name)}`, ...JSON_HEADERS]
    for (const first of [`POST ${endpoint}`, 'POST /oauth/token', `OPTIONS ${endpoint}`, 'GET /health']) {
      const { status, all } = await request(first, headers, first.startsWith('POST') ? PING : '')
      expect(status).toBe(403)
      expect(all).not.toMatch(/access-control-/i)
    }
  })

  it.each(['GET', 'DELETE', 'PUT', 'PATCH', 'OPTIONS', 'HEAD'])(
    'T6: answers %s on an endpoint with 405, and neither redirects nor repeats the URL',
    async (method) => {
      const { status, all } = await request(`${method} ${endpoint}`, [`Host: ${host}`])
      expect(status).toBe(405)
      expect(all).toMatch(/^allow: POST\r$/im)
      expect(all).not.toMatch(/^location:/im)
      expect(all).not.toContain(endpoint.split('/').at(-1))
    },
  )

  it.each(['/authorize', '/oauth/authorize', '/register', '/oauth/register', '/oauth/clients', '/mcp/authorize'])(
    'T32: has no place at %s where a caller could register, or be authorized by a consent that is there already',
    async (path) => {
      const query = 'response_type=code&client_id=evil&redirect_uri=https%3A%2F%2Fevil.example%2F&code_challenge=x'
      const registration = JSON.stringify({ redirect_uris: ['https://evil.example/'] })
      for (const answer of [
        await request(`GET ${path}?${query}`, [`Host: ${host}`]),
        await request(`POST ${path}`, [`Host: ${host}`, ...JSON_HEADERS], registration),
      ]) {
        expect(answer.status).toBe(404)
        expect(answer.all).not.toMatch(/^location:|client_id|evil\.example/im)
      }
    },
  )

  it('T1: takes no URL secret from the query', async () => {
    const secret = endpoint.split('/').at(-1) ?? ''
    const paths = [
      [`/mcp?token=${secret}`, 404],
      [`/mcp/?token=${secret}`, 404],
      // A path that could be an endpoint: what is wrong with it is said (security T1).
      [`/mcp/lkurl_x?token=${secret}`, 400],
    ] as const
    for (const [path, expected] of paths) {
      const { status, all } = await request(`POST ${path}`, [`Host: ${host}`, ...JSON_HEADERS], PING)
      expect(status).toBe(expected)
      expect(all).not.toContain(secret)
    }
  })

  it.each([
    ['is no JSON', '{"jsonrpc":', 400, -32_700],
    ['is a batch', `[${PING},${PING}]`, 400, -32_600],
    ['is no object', '"ping"', 400, -32_600],
    ['is no JSON-RPC', '{"hello":"world"}', 400, -32_600],
    ['has the method twice', '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}', 400, -32_600],
    ['has an unknown method', '{"jsonrpc":"2.0","id":1,"method":"tools/destroy"}', 200, -32_601],
    ['names no tool', '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}', 200, -32_602],
    ['is longer than 10 MiB', `"${'a'.repeat(10 * 1024 * 1024)}"`, 413, -32_000],
  ])(
    'says in JSON-RPC what is wrong when the body %s, and still serves the next',
    async (_what, body, status, code) => {
      const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
      const response = await fetch(`${origin}${endpoint}`, { method: 'POST', headers, body })
      const answer: unknown = await response.json()
      expect(response.status).toBe(status)
      expect(answer).toMatchObject({ jsonrpc: '2.0', error: { code, message: expect.stringMatching(/\w/) } })
      const next = await fetch(`${origin}${endpoint}`, { method: 'POST', headers, body: PING })
      expect(await next.json()).toEqual({ jsonrpc: '2.0', id: 1, result: {} })
    },
  )

  it.each([
    ['is no JSON', '{', 400, 'INVALID_ARGUMENT'],
    ['is a list', '[]', 400, 'INVALID_ARGUMENT'],
    ['is 10 MB', `"${'a'.repeat(10_000_000)}"`, 413, 'OUT_OF_RANGE'],
  ])('says what is wrong when a body of the API %s', async (_what, body, status, code) => {
    const { clientId, clientSecret } = stack.gateway
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: clientId,
      client_secret: clientSecret,
    })
    const granted = await (await fetch(`${origin}/oauth/token`, { method: 'POST', body: form })).json()
    const headers = { authorization: `Bearer ${Object(granted).access_token}` }
    const response = await fetch(`${origin}/api/v1/mcp/instances`, { method: 'POST', headers, body })
    expect(response.status).toBe(status)
    expect(await response.json()).toMatchObject({ code, message: expect.stringMatching(/\w/) })
  })

  it.each([
    [['Origin: null', 'Sec-Fetch-Site: same-origin'], 303],
    [['Origin: null', 'Sec-Fetch-Site: cross-site'], 403],
    [['Origin: null', 'Sec-Fetch-Site: same-site'], 403],
    [['Origin: null', 'Sec-Fetch-Site: none'], 403],
    [['Origin: null'], 403],
    [['Origin: http://evil.example', 'Sec-Fetch-Site: same-origin'], 403],
    [['Origin: http://evil.example', 'Sec-Fetch-Site: cross-site'], 403],
    [['Sec-Fetch-Site: cross-site'], 403],
  ])('T35: answers the form of a connect page sent with %j by %i', async (headers, status) => {
    const link = await stack.linkFor('ann', 'mail')
    const browser = createHttpBrowser()
    const { html } = await browser.open(link)
    const csrf = /name="csrf_token" value="([^"]+)"/.exec(html)?.[1] ?? ''
    const cookie = `Cookie: ${await browser.cookies.getCookieString(link)}`
    const body = new URLSearchParams({ csrf_token: csrf }).toString()
    const form = [`Host: ${host}`, 'Content-Type: application/x-www-form-urlencoded', cookie]
    const answer = await request(`POST ${new URL(link).pathname}`, [...form, ...headers], body)
    expect(answer.status).toBe(status)
    expect(/^location: /im.test(answer.all)).toBe(status === 303)
  })
})
