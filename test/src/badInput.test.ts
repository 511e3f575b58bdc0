import { LatchkeyError } from '@latchkey/core'
import { getUserTools as getLangChainTools } from '@latchkey/langchain'
import { getUserTools as getAiSdkTools } from '@latchkey/vercel-ai'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort, listen, type Listener, type Stack, startStack } from './fixtures/index.ts'

interface Options {
  readonly url?: string
  readonly clientSecret?: string
  readonly config?: string
  readonly timeoutMs?: number
}

/** What a person reads who has just made a mistake, word by word: that is what is tested. */
describe.each([
  ['@latchkey/langchain', getLangChainTools],
  ['@latchkey/vercel-ai', getAiSdkTools],
])('getUserTools of %s', (_name, getUserTools) => {
  let stack: Stack
  const listeners: Listener[] = []
  beforeAll(async () => {
    stack = await startStack()
  })
  afterAll(async () => {
    await Promise.all(listeners.map(async (listener) => await listener.close()))
    await stack[Symbol.asyncDispose]()
  })

  async function failureOf(userIdentifier: string, options: Options = {}): Promise<unknown> {
    const { url, clientId, clientSecret } = stack.gateway
    return await getUserTools(userIdentifier, { url, clientId, clientSecret, config: 'email-agent', ...options }).then(
      () => 'it resolved',
      (failure: unknown) => failure,
    )
  }
  async function answering(answer: () => Response | Promise<Response>): Promise<string> {
    const listener = await listen(answer)
    listeners.push(listener)
    return listener.origin
  }

  it('names the known configs when there is none of that name', async () => {
    expect(await failureOf('ann', { config: 'emial-agent' })).toEqual(
      error('unknown_config', 'no MCP config is named "emial-agent"; known: email-agent'),
    )
  })

  it('says which options to check, and not what they are, when the client secret is wrong', async () => {
    const failure = await failureOf('ann', { clientSecret: 'a-wrong-secret' })
    expect(failure).toEqual(
      error(
        'unauthorized',
        'the control plane refused client "demo-app": check LATCHKEY_CLIENT_ID and LATCHKEY_CLIENT_SECRET (or `clientId` and `clientSecret`)',
      ),
    )
    expect(printed(failure)).not.toContain('a-wrong-secret')
  })

  it.each([
    ['is empty', ''],
    ['is longer than 255 characters', 'a'.repeat(256)],
    ['contains control characters', 'a\u0000b'],
    ['contains control characters', 'a\r\nb'],
    ['is not well-formed Unicode in NFC', 'e\u0301'],
    // What an app passes that is not written in TypeScript.
    ['is missing', JSON.parse('{}').id],
    ['is not a string', JSON.parse('7')],
  ])('says that the user identifier %s, and asks nobody', async (what, userIdentifier) => {
    const lines = stack.logLines.length
    expect(await failureOf(userIdentifier)).toEqual(
      error(
        'invalid_user_identifier',
        `the user identifier ${what}: pass your app's own id of the user, a string of 1–255 characters`,
      ),
    )
    expect(stack.logLines.length).toBe(lines)
  })

  it.each([
    '__proto__',
    'constructor',
    'a b',
    '../..',
    'ä'.normalize('NFC'),
    '🦊',
    '"; drop table users',
    'x'.repeat(255),
  ])('takes the user identifier %j for what it is', async (userIdentifier) => {
    const failure = await failureOf(userIdentifier)
    expect(failure).toEqual(
      error(
        'authorization_required',
        new RegExp(String.raw`^user ${escaped(JSON.stringify(userIdentifier))} has to authorize mail`),
      ),
    )
    expect(failure instanceof LatchkeyError && failure.connections).toHaveLength(3)
  })

  it('asks whether the gateway runs when nobody listens there', async () => {
    const port = await freePort()
    expect(await failureOf('ann', { url: `http://127.0.0.1:${port}` })).toEqual(
      error(
        'unavailable',
        `getting an access token failed: the control plane cannot be reached (connect ECONNREFUSED 127.0.0.1:${port}); is it running, and does LATCHKEY_URL (or \`url\`) point to it?`,
      ),
    )
  })

  it('says who was waited for when the gateway does not answer in time', async () => {
    const url = await answering(async () => await new Promise<Response>(() => {}))
    expect(await failureOf('ann', { url, timeoutMs: 100 })).toEqual(
      error('timeout', 'getting user "ann" ready took longer than 100 ms'),
    )
  })

  it.each([
    [
      200,
      'invalid_response',
      'getting an access token failed: the answer is not that of the control plane; check that LATCHKEY_URL (or `url`) points to it',
    ],
    [
      404,
      'invalid_response',
      'getting an access token failed: HTTP 404; check that LATCHKEY_URL (or `url`) is the address of the control plane',
    ],
    [
      302,
      'invalid_response',
      'getting an access token failed: HTTP 302, but not from the control plane; check that LATCHKEY_URL (or `url`) points to it',
    ],
    [502, 'unavailable', 'getting an access token failed: the control plane answered HTTP 502'],
  ])('says that it is no control plane when it answers HTML with %i', async (status, code, message) => {
    const headers = { 'content-type': 'text/html', location: 'http://127.0.0.1:9/canary' }
    const url = await answering(() => new Response('<!doctype html><h1>Canary of a stranger</h1>', { status, headers }))
    const failure = await failureOf('ann', { url })
    expect(failure).toEqual(error(code, message))
    expect(printed(failure)).not.toMatch(/canary/i)
  })

  it('says where the control plane is looked for when the address has a path too many', async () => {
    expect(await failureOf('ann', { url: `${stack.gateway.url}/mcp` })).toEqual(
      error('invalid_response', /HTTP 404; check that LATCHKEY_URL/),
    )
  })

  it.each(['http://gateway.example', 'https://user:pass@gateway.example', 'nonsense'])(
    'refuses to send a secret to %s',
    async (url) => {
      const failure = await failureOf('ann', { url })
      expect(failure).toBeInstanceOf(TypeError)
      expect(failure).toMatchObject({ message: expect.stringMatching(/gateway URL/) })
      expect(printed(failure)).not.toContain('pass@')
    },
  )

  it.each([Number.NaN, -1, Number.POSITIVE_INFINITY])('refuses the deadline %d', async (timeoutMs) => {
    expect(await failureOf('ann', { timeoutMs })).toEqual(
      new TypeError('`timeoutMs` must be a number of milliseconds, 0 or more'),
    )
  })
})

function error(code: string, message: string | RegExp): unknown {
  return expect.objectContaining({ name: 'LatchkeyError', code, message: toMatcher(message) })
}

function toMatcher(message: string | RegExp): unknown {
  return typeof message === 'string' ? message : expect.stringMatching(message)
}

function escaped(text: string): string {
  return text.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`)
}

function printed(failure: unknown): string {
  return failure instanceof Error ? `${inspect(failure)} ${JSON.stringify(failure)} ${String(failure)}` : ''
}
