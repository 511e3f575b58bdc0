import { describe, expect, it, onTestFinished } from 'vitest'
import {
  createLatchkey,
  staticBackend,
  type Fetch,
  type LatchkeyOptions,
  type StaticEndpoint,
  type StaticEndpoints,
} from '../src/index.ts'
import { ManualTiming } from '../src/testing/index.ts'
import { answerMcp } from '../src/testing/scriptedEndpoint.ts'
import { failureOf } from './fixtures/setup.ts'

const KEY = 'canary-api-key'

/** Serves `whoami`, to the key alone, under the URL of each user. */
function serve(options: { keys?: Set<string> } = {}) {
  const { keys = new Set([KEY]) } = options
  const refused: (string | null)[] = []
  const fetch: Fetch = async (url, { headers, body } = {}) => {
    const key = new Headers(headers).get('x-api-key')
    if (!keys.has(key ?? '')) {
      refused.push(key)
      return new Response('', { status: 401 })
    }
    const userIdentifier = new URL(url).pathname.slice(1)
    return await answerMcp(typeof body === 'string' ? body : '', {
      userIdentifier,
      tools: { whoami: () => userIdentifier },
    })
  }
  return { fetch, keys, refused }
}

function open(endpoints: StaticEndpoints, options: LatchkeyOptions = {}) {
  const latchkey = createLatchkey({ backend: staticBackend(endpoints), env: {}, ...options })
  onTestFinished(() => latchkey.close())
  return latchkey
}

describe('staticBackend', () => {
  it('gives each user the tools of their URL, sent with its headers, and needs no config', async () => {
    const { fetch } = serve()
    const headers = { 'X-Api-Key': KEY }
    const latchkey = open(
      { anna: { url: 'https://mcp.example/anna', headers }, berta: { url: 'https://mcp.example/berta', headers } },
      { fetch },
    )
    for (const user of ['anna', 'berta']) {
      const { tools } = await latchkey.userTools(user, { require: 'any' })
      expect(await tools[0]?.call({})).toMatchObject({ content: [{ text: user }] })
    }
    const { mcpServers } = await latchkey.mcpServer('anna', 'langchain')
    expect(Object.values(mcpServers)).toEqual([{ transport: 'http', url: 'https://mcp.example/anna', headers }])
  })

  it('refuses a user that it does not know', async () => {
    const latchkey = open({ anna: { url: 'https://mcp.example/anna' } })
    for (const user of ['berta', 'toString', '__proto__']) {
      const error = await failureOf(latchkey.userTools(user))
      expect([error.code, error.message]).toEqual(['rejected', expect.stringContaining('is not known')])
    }
  })

  it('finds endpoints with a function, and asks it for every user anew', async () => {
    const { fetch } = serve()
    const asked: string[] = []
    const latchkey = open(
      async (user) => {
        asked.push(user)
        return user === 'anna' ? { url: 'https://mcp.example/anna', headers: { 'x-api-key': KEY } } : undefined
      },
      { fetch },
    )
    await latchkey.ready('anna')
    await failureOf(latchkey.ready('berta'))
    expect(asked).toEqual(['anna', 'berta'])
  })

  it('asks for headers again when they are refused, once, in the middle of a run', async () => {
    const { fetch, keys, refused } = serve()
    let key = KEY
    const latchkey = open(
      { anna: { url: 'https://mcp.example/anna', headers: () => ({ 'x-api-key': key }) } },
      { fetch },
    )
    const { tools } = await latchkey.userTools('anna')
    const call = async () => await tools[0]?.call({})
    keys.clear()
    keys.add('fresh')
    const stale = await failureOf(call())
    expect([stale.code, refused]).toEqual(['unauthorized', [KEY]])
    key = 'fresh'
    await call()
    expect(refused).toEqual([KEY])
  })

  it('says unavailable when its functions fail, and shows nothing of the headers', async () => {
    const timing = new ManualTiming()
    const failing: StaticEndpoints[] = [
      () => Promise.reject(new Error('the database is away')),
      { anna: { url: 'https://mcp.example/anna', headers: () => Promise.reject(new Error('the database is away')) } },
    ]
    for (const endpoints of failing) {
      const error = await failureOf(timing.passing(open(endpoints, { timing }).ready('anna')))
      expect(error.message).toContain('the database is away')
    }
  })

  it.each<StaticEndpoint>([
    { url: 'http://mcp.example/anna' },
    { url: 'https://user:pass@mcp.example/anna' },
    { url: 'nonsense' },
    { url: 'https://mcp.example/anna', headers: { authorization: `Bearer ${KEY}\nx` } },
    { url: 'https://mcp.example/anna', headers: { 'bad name': KEY } },
  ])('refuses $url with these headers, and does not repeat them', async (endpoint) => {
    const create = () => staticBackend({ anna: endpoint })
    expect(create).toThrow(TypeError)
    expect(create).not.toThrow(KEY)
    expect(create).toThrow(/"anna"/)
    expect((await failureOf(open(() => endpoint).ready('anna'))).code).toBe('rejected')
  })

  it('has no URL that works without its headers', async () => {
    const latchkey = open({
      anna: { url: 'https://mcp.example/anna', headers: {} },
      berta: { url: 'https://mcp.example/berta/secret' },
    })
    expect((await failureOf(latchkey.mcpUrl('anna'))).code).toBe('rejected')
    expect(await latchkey.mcpUrl('berta')).toBe('https://mcp.example/berta/secret')
  })

  it('cannot narrow, sign or revoke, and says so', async () => {
    const latchkey = open({ anna: { url: 'https://mcp.example/anna' } })
    const refusals = [
      latchkey.ready('anna', { tools: ['whoami'] }),
      latchkey.pending('anna'),
      latchkey.revokeUser('anna'),
      latchkey.createMagicLink('anna', 'mail'),
    ]
    for (const refusal of refusals) expect((await failureOf(refusal)).code).toBe('rejected')
  })
})
