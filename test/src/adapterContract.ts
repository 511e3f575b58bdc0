import {
  LatchkeyError,
  createLatchkey,
  type Backend,
  type ConnectionState,
  type AgentToolReport,
  type Latchkey,
  type SchemaProfile,
} from '@latchkey/core'
import { once } from 'node:events'
import { join } from 'node:path'

import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'

import {
  ARCHIVE,
  AUDIO,
  ECHO_TOOLS,
  ERAS,
  IMAGE,
  PDF,
  startAdapterServer,
  type AdapterServer,
} from './adapterServer.ts'
import type { Half, RunHalf } from './fixtures/agents/half.ts'
import { temporaryFolder } from './fixtures/temporaryFolder.ts'

/** What a tool call came to, for the model and for the app. */
export interface Outcome {
  readonly status: 'success' | 'error'
  /** The words that the model is given. */
  readonly text: string
  /** What else the model is given. */
  readonly media: readonly { readonly mimeType: string; readonly data: string }[]
  /** What the app is given: the MCP result, or the error. */
  readonly value: unknown
}

export interface AdapterOptions {
  toolTimeoutMs?: number
  onAuthorizationRequired?: (connections: readonly ConnectionState[]) => void
  onReport?: (report: AgentToolReport) => void
  schemaProfile?: SchemaProfile
  model?: string
}

export interface LoadedTool {
  readonly description: string
  readonly inputSchema: unknown
  /** Calls the tool as the framework does. It rejects where the framework's run ends, as it does on abort. */
  call(args: Record<string, unknown>, signal?: AbortSignal): Promise<Outcome>
}

export interface AgentRun {
  /** The names of the tools that the model was offered. */
  readonly offered: readonly string[]
  /** The tool's result as the model was given it. */
  readonly toolResult: string
  readonly answer: string
}

export interface AdapterUnderTest {
  load(
    latchkey: Pick<Latchkey, 'userTools'>,
    userIdentifier: string,
    options?: AdapterOptions,
  ): Promise<Map<string, LoadedTool>>
  /** The names of the tools that `getUserTools` gives. */
  getUserTools(
    userIdentifier: string,
    options: AdapterOptions & { backend?: Backend; config?: string; url?: string; clientId?: string },
  ): Promise<readonly string[]>
  /** The framework's own ways to run a scripted model that calls one tool once and then answers with its result. */
  readonly agents: Record<
    string,
    (input: {
      latchkey: Latchkey
      userIdentifier: string
      tool: string
      args: Record<string, unknown>
    }) => Promise<AgentRun>
  >
  /** The framework's own way to stop a run for consent and to go on with it. */
  readonly half: RunHalf
  /** What a run does that is resumed before the consent: it stops once more, or it goes on and the model learns why. */
  readonly resumedEarly: 'stops' | 'goes on'
  /** One agent for all users, of which this many runs are made; gives what runs it for one user and gives the answer. */
  readonly shared: (input: {
    latchkey: Latchkey
    tool: string
    args: Record<string, unknown>
    runs: number
  }) => (userIdentifier: string) => Promise<string>
}

/** The behaviour that every adapter shares, over a real MCP server of either era. */
export function describeAdapter(name: string, adapter: AdapterUnderTest): void {
  describe(`getUserTools of ${name}`, () => {
    afterEach(() => void vi.unstubAllEnvs())

    it('names what is missing and the two ways to give it', async () => {
      for (const variable of ['LATCHKEY_URL', 'LATCHKEY_CLIENT_ID', 'LATCHKEY_CLIENT_SECRET']) vi.stubEnv(variable, '')
      const url = 'http://127.0.0.1:9'
      await expect(adapter.getUserTools('ann', {})).rejects.toThrow(/`url`.*LATCHKEY_URL/)
      await expect(adapter.getUserTools('ann', { url })).rejects.toThrow(/`clientId`.*LATCHKEY_CLIENT_ID/)
      await expect(adapter.getUserTools('ann', { url, clientId: 'app' })).rejects.toThrow(
        /`clientSecret`.*LATCHKEY_CLIENT_SECRET/,
      )
    })
  })

  describe.each(ERAS)(`createUserTools of ${name} on an MCP server of %s`, (era) => {
    let server: AdapterServer
    let latchkey: Latchkey

    beforeAll(async () => {
      server = await startAdapterServer(era)
      latchkey = createLatchkey({ backend: connectedBackend(server), config: 'adapter-test' })
    })
    afterAll(async () => {
      await latchkey.close()
      await server.close()
    })

    const toolOf = async (user: string, tool: string, options?: AdapterOptions) => {
      const loaded = (await adapter.load(latchkey, user, options)).get(tool)
      if (loaded === undefined) throw new Error(`${user} has no tool ${tool}`)
      return loaded
    }

    it('gives every tool a name of its own that every model provider accepts', async () => {
      const names = [...(await adapter.load(latchkey, 'ann')).keys()]
      expect(names).toHaveLength(ECHO_TOOLS.length + 8)
      for (const toolName of names) expect(toolName).toMatch(/^[A-Za-z0-9_-]{1,64}$/)
      expect(names).toEqual([...(await adapter.load(latchkey, 'bob')).keys()])
    })

    it('reaches the tool that a changed name stands for', async () => {
      const tools = [...(await adapter.load(latchkey, 'ann')).values()].filter((tool) =>
        tool.description.startsWith('Says who you are'),
      )
      const reached = await Promise.all(
        tools.map(async (tool) => {
          const { text } = await tool.call({ word: 'hello' })
          expect(tool.description).toBe(`Says who you are, as ${text.slice(0, text.indexOf(' of ann: hello'))}`)
          return text
        }),
      )
      expect(reached).toEqual(ECHO_TOOLS.map((tool) => `${tool} of ann: hello`))
    })

    it('reports the connection whose tools are missing', async () => {
      const reports: AgentToolReport[] = []
      await adapter.load(latchkey, 'partial', { onReport: (report) => reports.push(report) })
      expect(reports.map(({ unavailable }) => unavailable)).toEqual([[server.unavailable]])
    })

    it('warns of the connection whose tools are missing when nobody listens', async () => {
      const warned = once(process, 'warning')
      await adapter.load(latchkey, 'partial')
      const [warning] = await warned
      expect(String(warning)).toContain(server.unavailable.connection)
    })

    it('offers the input schema as the server gives it', async () => {
      const { inputSchema } = await toolOf('ann', 'echo')
      expect(inputSchema).toEqual({ type: 'object', properties: { word: { type: 'string' } }, required: ['word'] })
    })

    it('leaves it to the server to match patterns, whatever they would do to who runs them', async () => {
      const word = `${'a'.repeat(40)}!`
      const { text } = await (await toolOf('ann', 'patterned')).call({ word, other: 'YES' })
      expect(text).toBe(`patterned of ann: ${word}`)
    })

    it("sends nothing and tells the model what is wrong when arguments do not fit the tool's schema", async () => {
      const user = `checked-${crypto.randomUUID()}`
      for (const args of [{}, { word: 7 }]) {
        const { status, text, value } = await (await toolOf(user, 'echo')).call(args)
        expect(status).toBe('error')
        expect(text).toContain('"word"')
        expect(value).toMatchObject({ code: 'invalid_arguments' })
      }
      expect(server.callCount(user, 'echo')).toBe(0)
    })

    it.each<[string, AdapterOptions]>([
      ['anthropic', { model: 'claude-opus-5' }],
      ['gemini', { model: 'google/gemini-3-flash' }],
      ['gemini', { schemaProfile: 'gemini' }],
      ['common', {}],
    ])('offers what %s takes for %j, and calls with what the tool means', async (_, options) => {
      const reports: AgentToolReport[] = []
      const tool = await toolOf('ann', 'odd', { ...options, onReport: (report) => reports.push(report) })
      const names = Object.keys(Object(Reflect.get(Object(tool.inputSchema), 'properties')))
      expect(tool.inputSchema).not.toHaveProperty('anyOf')
      expect(tool.description).toContain(`at least one of these must be given: ${names[0]}; or note`)
      expect(names).toEqual([expect.stringMatching(/^_top_[0-9a-f]{8}$/), 'note', 'labels'])
      expect(reports[0]?.adapted).toContainEqual({
        tool: 'odd',
        path: '/properties/$top',
        change: `renamed to ${names[0]}`,
      })
      expect(reports[0]?.adapted.map(({ tool: changed }) => changed)).toContain('odd')
      const { text } = await tool.call({ [names[0] ?? '']: 3, note: 'all' })
      expect(JSON.parse(text)).toEqual({ $top: 3, note: 'all' })
    })

    it('leaves out what null stands for when OpenAI is strict', async () => {
      const tool = await toolOf('ann', 'odd', { schemaProfile: 'openai-strict' })
      expect(tool.inputSchema).toMatchObject({ required: ['$top', 'note', 'labels'], additionalProperties: false })
      const { text } = await tool.call({ $top: 3, note: null, labels: ['"a"', 'b'] })
      expect(JSON.parse(text)).toEqual({ $top: 3, labels: ['a', 'b'] })
    })

    it('offers the schema as it is for the profile `none`', async () => {
      const { inputSchema } = await toolOf('ann', 'odd', { schemaProfile: 'none' })
      expect(inputSchema).toHaveProperty('anyOf')
    })

    it('gives the model every kind of content', async () => {
      const { status, text, media } = await (await toolOf('ann', 'everything')).call({})
      expect(status).toBe('success')
      for (const words of ['some words', 'note://1', 'a note', 'Offsite', 'mail://7', 'message/rfc822', 'the mail']) {
        expect(text).toContain(words)
      }
      expect(media).toContainEqual({ mimeType: 'image/png', data: IMAGE })
    })

    it.each([
      ['audio/wav', AUDIO],
      ['application/pdf', PDF],
      ['application/zip', ARCHIVE],
    ])(
      'gives the model a file of type %s, or its kind in words where the framework has no way',
      async (mimeType, data) => {
        const { text, media, value } = await (await toolOf('ann', 'everything')).call({})
        const isAttached = media.some((file) => file.mimeType === mimeType && file.data === data)
        expect(isAttached || text.includes(mimeType)).toBe(true)
        expect(JSON.stringify(value)).toContain(data)
      },
    )

    it('gives the model structured content once when the server repeats it as text', async () => {
      const { text, value } = await (await toolOf('ann', 'repeated')).call({})
      expect(text).toBe('{ "mails": 3 }')
      expect(value).toMatchObject({ structuredContent: { mails: 3 } })
    })

    it('gives the model structured content when the text says something else', async () => {
      const { text, value } = await (await toolOf('ann', 'structured')).call({})
      expect(text).toBe('three mails\n{"mails":3}')
      expect(value).toMatchObject({ structuredContent: { mails: 3 } })
    })

    it("gives the model the tool's own error as an error", async () => {
      const { status, text } = await (await toolOf('ann', 'fail')).call({})
      expect({ status, text }).toEqual({ status: 'error', text: 'the mailbox is locked' })
    })

    it('cancels the call at the server when it is aborted', async () => {
      const tool = await toolOf('abe', 'hang')
      const controller = new AbortController()
      const [hanging, cancelled] = [server.hanging('abe'), server.cancelled('abe')]
      const call = tool.call({}, controller.signal)
      await hanging
      controller.abort()
      await expect(call).rejects.toThrow(/abort/i)
      await cancelled
    })

    it('gives the model an error and cancels the call at the server when the tool takes too long', async () => {
      const tool = await toolOf('tim', 'hang', { toolTimeoutMs: 200 })
      const cancelled = server.cancelled('tim')
      const { status, value } = await tool.call({})
      expect(status).toBe('error')
      expect(value).toBeInstanceOf(LatchkeyError)
      expect(value).toMatchObject({ code: 'timeout' })
      await cancelled
    })

    it('gives the app the link and the model only words when consent is needed in the middle of a run', async () => {
      const asked: (readonly ConnectionState[])[] = []
      const tool = await toolOf('ann', 'consent', { onAuthorizationRequired: (connections) => asked.push(connections) })
      const { status, text, value } = await tool.call({})
      expect(status).toBe('error')
      expect(text).toMatch(/authoriz/i)
      expect(text).not.toContain('secret-link')
      expect(JSON.stringify(value)).not.toContain('secret-link')
      if (!(value instanceof LatchkeyError)) throw new Error('The app is not given the typed error.')
      const { code, connections } = value
      expect(code).toBe('authorization_required')
      expect(connections.map((connection) => connection.authenticationLink)).toEqual([server.linkFor('ann')])
      expect(asked).toEqual([connections])
    })

    it("gives each user that user's results and no other's when many call at once", async () => {
      const users = Array.from({ length: 8 }, (_, index) => `user-${index}`)
      const calls = Array.from({ length: 80 }, (_, index) => ({ user: users[index % 8] ?? '', word: `word-${index}` }))
      const answers = await Promise.all(
        calls.map(async ({ user, word }) => (await (await toolOf(user, 'echo')).call({ word })).text),
      )
      expect(answers).toEqual(calls.map(({ user, word }) => `echo of ${user}: ${word}`))
      for (const user of users) expect(server.callCount(user, 'echo')).toBe(10)
    })

    it("gives each user of one agent that user's results and no other's when many run at once", async () => {
      const users = Array.from({ length: 8 }, (_, index) => `shared-${index}`)
      const runs = [...users, ...users, ...users]
      const run = adapter.shared({ latchkey, tool: 'echo', args: { word: 'offsite' }, runs: runs.length })
      const answers = await Promise.all(runs.map(async (user) => await run(user)))
      for (const [index, user] of runs.entries()) {
        const said = users.filter((candidate) => answers[index]?.includes(`echo of ${candidate}: offsite`))
        expect({ said, answer: answers[index] }).toMatchObject({ said: [user] })
      }
      for (const user of users) expect(server.callCount(user, 'echo')).toBe(3)
    })

    describe('when a run stops for consent', () => {
      it('tells the link, and makes the same call once when it is resumed with nothing but what was kept', async () => {
        const user = `stopped-${crypto.randomUUID()}`
        await using halves = await halvesOf(adapter, latchkey, user)
        expect((await halves.run('begin')).links).toEqual([server.linkFor(user)])
        expect(server.callCount(user, 'consent')).toBe(0)
        server.grant(user)
        const { links, answer } = await halves.run('resume')
        expect(links).toEqual([])
        expect(answer).toContain(`consent of ${user}: offsite`)
        expect(server.callCount(user, 'consent')).toBe(1)
      })

      it('does not call when it is resumed before the consent', async () => {
        const user = `early-${crypto.randomUUID()}`
        await using halves = await halvesOf(adapter, latchkey, user)
        await halves.run('begin')
        const { answer } = await halves.run('resume')
        expect(server.callCount(user, 'consent')).toBe(0)
        expect(answer === '').toBe(adapter.resumedEarly === 'stops')
      })

      it.runIf(adapter.resumedEarly === 'stops')(
        'stops once more, with a link, and goes on after the consent',
        async () => {
          const user = `later-${crypto.randomUUID()}`
          await using halves = await halvesOf(adapter, latchkey, user)
          await halves.run('begin')
          expect((await halves.run('resume')).links).toEqual([server.linkFor(user)])
          server.grant(user)
          expect((await halves.run('resume')).answer).toContain(`consent of ${user}: offsite`)
          expect(server.callCount(user, 'consent')).toBe(1)
        },
      )
    })

    it('asks nothing again in getUserTools when the control plane is the same and the callbacks are others', async () => {
      const backend = connectedBackend(server)
      const get = () =>
        adapter.getUserTools('ann', { backend, config: 'adapter-test', onAuthorizationRequired: () => undefined })
      const names = await get()
      const requests = server.requestCount()
      expect(await get()).toEqual(names)
      expect(server.requestCount()).toBe(requests)
    })

    describe.each(Object.entries(adapter.agents))('in %s', (_, run) => {
      it('calls the tool once and gives the model its result', async () => {
        const userIdentifier = `agent-${crypto.randomUUID()}`
        const { offered, toolResult, answer } = await run({
          latchkey,
          userIdentifier,
          tool: 'echo',
          args: { word: 'offsite' },
        })
        expect(offered).toEqual([...(await adapter.load(latchkey, userIdentifier)).keys()])
        expect(toolResult).toContain(`echo of ${userIdentifier}: offsite`)
        expect(answer).toContain(`echo of ${userIdentifier}: offsite`)
        expect(server.callCount(userIdentifier, 'echo')).toBe(1)
      })

      it('goes on, and the model learns why, when the tool fails', async () => {
        const { answer } = await run({ latchkey, userIdentifier: 'ann', tool: 'fail', args: {} })
        expect(answer).toContain('the mailbox is locked')
      })

      it('goes on without the link when consent is needed', async () => {
        const { toolResult, answer } = await run({ latchkey, userIdentifier: 'ann', tool: 'consent', args: {} })
        expect(answer).toMatch(/authoriz/i)
        expect(toolResult + answer).not.toContain('secret-link')
      })
    })
  })
}

/** Both halves of a run that needs consent. */
async function halvesOf({ half: runHalf }: Pick<AdapterUnderTest, 'half'>, latchkey: Latchkey, user: string) {
  const folder = await temporaryFolder()
  const known = { latchkey, user, tool: 'consent', args: { word: 'offsite' }, file: join(folder.path, 'run') }
  return {
    run: (half: Half['half']) => runHalf({ ...known, half, toolsAreThere: async () => undefined }),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  }
}

/** A control plane on which every user has connected everything. */
function connectedBackend(server: AdapterServer): Backend {
  const tokenOf = (userIdentifier: string) => ({
    token: server.tokenFor(userIdentifier),
    expiresAt: new Date(Date.now() + 3_600_000),
  })
  return {
    name: 'adapter-test',
    identity: `adapter-test ${server.urlFor('')}`,
    ensureInstance: async ({ configName, userIdentifier }) => ({
      instance: {
        id: `instance of ${userIdentifier}`,
        userIdentifier,
        configName,
        configId: undefined,
        url: undefined,
        mcpServerUrl: server.urlFor(userIdentifier),
      },
      authState: [],
      sessionToken: tokenOf(userIdentifier),
    }),
    getAuthState: async () => [],
    createSessionToken: async ({ instance }) => tokenOf(instance.userIdentifier),
    close: async () => undefined,
  }
}
