import { createLatchkey, LatchkeyError, type ConnectionState, type Latchkey } from '@latchkey/core'
import { createUserTools as createLangChainTools, userToolsMiddleware } from '@latchkey/langchain'
import { createUserTools as createAiSdkTools, refreshTools } from '@latchkey/vercel-ai'
import { generateText, isStepCount } from 'ai'
import { AIMessage, createAgent, createMiddleware, fakeModel } from 'langchain'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { runHalf } from './fixtures/agents/runHalf.ts'
import { scriptedModel } from './fixtures/agents/scriptedModel.ts'
import {
  canaryOf,
  consentAs,
  type DirectoryServer,
  type Stack,
  startAuthorizationServer,
  startDirectoryServer,
  startGateway,
  startServe,
  startStack,
  temporaryFolder,
} from './fixtures/index.ts'
import { startScopedUpstream } from './fixtures/upstreams/startScopedUpstream.ts'

const MAIL = { to: 'x@y.example', subject: 's', body: 'b' }
const HOUR_MS = 3_600_000

describe('readiness and consent, over the whole stack', () => {
  let stack: Stack
  let now = Date.now()
  beforeAll(async () => {
    const configs = {
      'email-agent': { mail: ['search_mail', 'send_mail', 'whoami'], directory: ['whoami', 'find_person'] },
      'mail-only': { mail: ['send_mail', 'whoami'] },
    } as const
    stack = await startStack({ configs, clock: () => now })
  })
  afterAll(async () => await stack[Symbol.asyncDispose]())

  const connect = async (user: string, connection: string) =>
    await consentAs(user, await stack.linkFor(user, connection), { apiKey: stack.directory.keys.issue(user) })

  it('starts with what is connected, and has the rest as soon as it is, in the same run', async () => {
    await connect('ann', 'mail')
    const { latchkey } = stack
    const shown: (readonly ConnectionState[])[] = []
    const options = {
      require: ['mail'],
      onAuthorizationRequired: (states: readonly ConnectionState[]) => shown.push(states),
    }
    const first = await latchkey.userTools('ann', options)
    expect(first.tools.map(({ name }) => name).toSorted()).toEqual([
      'mail__search_mail',
      'mail__send_mail',
      'mail__whoami',
    ])
    await latchkey.userTools('ann', options)
    expect(shown.map((states) => states.map(({ connectionName }) => connectionName))).toEqual([['directory']])

    await consentAs('ann', shown[0]?.[0]?.authenticationLink ?? '', { apiKey: stack.directory.keys.issue('ann') })
    const second = await latchkey.userTools('ann', options)
    expect(second.missing).toEqual([])
    const person = second.tools.find(({ name }) => name === 'directory__whoami')
    expect(JSON.stringify(await person?.call({}))).toContain(canaryOf('directory', 'ann'))
    // The tools of before are still good.
    const mail = first.tools.find(({ name }) => name === 'mail__whoami')
    expect(JSON.stringify(await mail?.call({}))).toContain(canaryOf('mail', 'ann'))
  })

  it.each(['langchain', 'ai-sdk'] as const)(
    'has the tools of what becomes ACTIVE in the next step of the same run, in %s',
    async (framework) => {
      const user = `hank-${framework}`
      await connect(user, 'mail')
      const offered: string[][] = []
      const connectDirectory = async () => {
        if (offered.length === 1) await connect(user, 'directory')
      }
      const calls = ['mail__whoami', 'directory__whoami']
      const run = framework === 'langchain' ? runLangChain : runAiSdk
      const answers = await run({ latchkey: stack.latchkey, user, calls, offered, afterCall: connectDirectory })
      expect(offered.map((names) => names.includes('directory__whoami'))).toEqual([false, true, true])
      for (const connection of ['mail', 'directory']) expect(answers).toContain(canaryOf(connection, user))
    },
  )

  it('narrows a run at the gateway: the token is good for the named tools and for no other', async () => {
    await stack.connectAll('bob')
    const { tools } = await stack.latchkey.userTools('bob', { tools: ['mail__*mail', 'directory__whoami'] })
    expect(tools.map(({ name }) => name).toSorted()).toEqual([
      'directory__whoami',
      'mail__search_mail',
      'mail__send_mail',
    ])
    const endpoint = await stack.latchkey.ready('bob', { tools: ['directory__whoami'] })
    const call = async (name: string) => {
      const response = await fetch(endpoint.url, {
        method: 'POST',
        headers: {
          ...(await endpoint.headers()),
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          'mcp-protocol-version': '2025-11-25',
        },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: MAIL } }),
      })
      return await response.text()
    }
    const sent = stack.mail.calls.count('bob', 'send_mail')
    expect(await call('directory__whoami')).toContain(canaryOf('directory', 'bob'))
    expect(await call('mail__send_mail')).toMatch(/unknown tool/i)
    expect(stack.mail.calls.count('bob', 'send_mail')).toBe(sent)
    const refused = stack.latchkey.userTools('bob', { tools: ['mail__no_such_tool'] })
    await expect(refused).rejects.toMatchObject({ code: 'rejected' })
  })

  it('waits for the consent in the middle of a run, and sends the mail once', async () => {
    await stack.connectAll('carol')
    const tools = await createLangChainTools(stack.latchkey)('carol', {
      consent: 'wait',
      onAuthorizationRequired: async ([connection]) => {
        await consentAs('carol', connection?.authenticationLink ?? '')
      },
    })
    stack.authorizationServer.revokeUser('carol')
    const tool = tools.find(({ name }) => name === 'mail__send_mail')
    const message = await tool?.invoke({ type: 'tool_call', id: 'call-1', name: 'mail__send_mail', args: MAIL })
    expect(message.status).not.toBe('error')
    expect(stack.mail.calls.count('carol', 'send_mail')).toBe(1)
  })

  it.each(['langchain', 'ai-sdk', 'mastra', 'openai-agents'] as const)(
    'goes on in another process after the consent, the mail being sent once, with %s',
    async (framework) => {
      await using folder = await temporaryFolder()
      const user = `dave-${framework}`
      await consentAs(user, await stack.linkFor(user, 'mail'))
      const { url, clientId, clientSecret } = stack.gateway
      const file = join(folder.path, 'run')
      const run = {
        framework,
        user,
        url,
        clientId,
        clientSecret,
        config: 'mail-only',
        tool: 'send_mail',
        args: MAIL,
        file,
      }

      const begun = await runHalf({ ...run, half: 'begin' }, () => stack.authorizationServer.revokeUser(user))
      expect(begun.links).toHaveLength(1)
      expect(stack.mail.calls.count(user, 'send_mail')).toBe(0)
      await consentAs(user, begun.links[0] ?? '')
      const resumed = await runHalf({ ...run, half: 'resume' })
      expect(resumed.links).toEqual([])
      expect(resumed.answer).toMatch(/sent/i)
      expect(stack.mail.calls.count(user, 'send_mail')).toBe(1)
    },
  )

  it.each([
    ['session token', (latchkey: Latchkey, user: string) => latchkey.userTools(user)],
    [
      'narrowed session token',
      (latchkey: Latchkey, user: string) => latchkey.userTools(user, { tools: ['mail__whoami'] }),
    ],
  ])('does not show in a run of 50 calls that its %s and the access token end in the middle', async (_what, get) => {
    const user = `erin-${_what}`
    await stack.connectAll(user)
    const { url, clientId, clientSecret } = stack.gateway
    await using latchkey = createLatchkey({ url, clientId, clientSecret, config: 'email-agent' })
    const { tools } = await get(latchkey, user)
    const tool = tools.find(({ name }) => name === 'mail__whoami')
    for (let call = 0; call < 50; call += 1) {
      // All that was made before this moment has ended for the gateway: both tokens, and the upstream's.
      if (call === 25) now += 25 * HOUR_MS
      expect(JSON.stringify(await tool?.call({}))).toContain(canaryOf('mail', user))
    }
    expect(stack.mail.calls.count(user, 'whoami')).toBe(50)
  })
})

describe('consent: wait, where the upstream wants more scope than was granted', () => {
  it('shows a link for more, waits, and makes the call once', async () => {
    await using stack = new AsyncDisposableStack()
    const authorizationServer = stack.use(await startAuthorizationServer())
    const notes = stack.use(await startScopedUpstream(authorizationServer))
    const gateway = stack.use(
      await startGateway({
        connections: { notes: { mcpServerUrl: notes.url, auth: { type: 'oauth2' } } },
        configs: { writer: { notes: '*' } },
      }),
    )
    const { url, clientId, clientSecret } = gateway
    const latchkey = stack.use(createLatchkey({ url, clientId, clientSecret, config: 'writer' }))
    const { tools } = await latchkey.userTools('gina', { onAuthorizationRequired: consentOfGina })
    notes.needs['write_note'] = ['notes.write']
    const write = tools.find(({ name }) => name === 'write_note')
    await write?.call({}, { onAuthorizationRequired: consentOfGina })
    expect(notes.executed.map(({ tool }) => tool)).toEqual(['write_note'])
  })
})

describe('a pending handle', () => {
  let directory: DirectoryServer
  beforeAll(async () => {
    directory = await startDirectoryServer()
  })
  afterAll(async () => await directory.close())

  it('is good after the gateway and the app were started again', async () => {
    await using folder = await temporaryFolder()
    const env = { LATCHKEY_CLIENT_SECRET: 'the-secret-of-the-app' }
    const options = () => ({
      database: 'sqlite:./latchkey.db',
      clients: [{ clientId: 'app', clientSecret: { env: 'LATCHKEY_CLIENT_SECRET' } }],
      connections: { directory: { mcpServerUrl: directory.url, auth: { type: 'api_key', header: directory.header } } },
      configs: { reader: { directory: ['whoami'] } },
    })
    const appOf = ({ url }: { url: string }) =>
      createLatchkey({ url, clientId: 'app', clientSecret: env.LATCHKEY_CLIENT_SECRET, config: 'reader' })

    await using first = await startServe(options, { folder: folder.path, env })
    const { handle, link } = await pendingOf(appOf(first))
    await first.stop()
    await using second = await startServe(options, { folder: folder.path, env, port: Number(new URL(first.url).port) })
    await using app = appOf(second)
    const resumed = app.resume(handle, { userIdentifier: 'frank', timeoutMs: 20_000 })
    // The link that was shown then works, too.
    await consentAs('frank', link, { apiKey: directory.keys.issue('frank') })
    expect((await resumed).userIdentifier).toBe('frank')
    const { tools } = await app.userTools('frank')
    expect(JSON.stringify(await tools[0]?.call({}))).toContain('frank')
  })
})

interface StepwiseRun {
  readonly latchkey: Latchkey
  readonly user: string
  /** The tools that the model calls, one in each step. */
  readonly calls: readonly string[]
  /** What the model is offered, step by step. */
  readonly offered: string[][]
  readonly afterCall: () => Promise<void>
}

/** Gives all that the model was told. */
async function runLangChain({ latchkey, user, calls, offered, afterCall }: StepwiseRun): Promise<string> {
  const watching = createMiddleware({
    name: 'watching',
    wrapModelCall: (request, handler) => {
      offered.push(request.tools.map(({ name }) => String(name)))
      return handler(request)
    },
    wrapToolCall: async (request, handler) => {
      const result = await handler(request)
      await afterCall()
      return result
    },
  })
  const model = calls.reduce((made, name) => made.respondWithTools([{ name, args: {} }]), fakeModel())
  const middleware = [createMiddleware(userToolsMiddleware(latchkey, { require: 'any' })), watching]
  const contextSchema = z.object({ userId: z.string() })
  const agent = createAgent({ model: model.respond(new AIMessage('done')), tools: [], middleware, contextSchema })
  const { messages } = await agent.invoke(
    { messages: [{ role: 'user', content: 'go' }] },
    { context: { userId: user } },
  )
  return JSON.stringify(messages)
}

async function runAiSdk({ latchkey, user, calls, offered, afterCall }: StepwiseRun): Promise<string> {
  const tools = await createAiSdkTools(latchkey)(user, { require: 'any' })
  const steps = calls.map((toolName, index) => [{ toolCallId: `call-${index}`, toolName, input: '{}' }])
  const model = scriptedModel(...steps)
  const prepareStep = refreshTools(tools)
  const settings = { model, tools, prepareStep, stopWhen: isStepCount(5) }
  const onStepEnd = async () => {
    offered.push((model.doGenerateCalls.at(-1)?.tools ?? []).map(({ name }) => name))
    await afterCall()
  }
  await generateText({ ...settings, onStepEnd, prompt: 'go' })
  return JSON.stringify(model.doGenerateCalls)
}

async function consentOfGina([state]: readonly ConnectionState[]): Promise<void> {
  await consentAs('gina', state?.authenticationLink ?? '')
}

/** What an app puts away before it ends. */
async function pendingOf(latchkey: Latchkey) {
  await using app = latchkey
  const pending = await app.pending('frank')
  if (!pending) throw new LatchkeyError('not_ready', 'nothing is pending')
  return { handle: pending.handle, link: pending.connections[0]?.authenticationLink ?? '' }
}
