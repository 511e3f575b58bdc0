import { createLatchkey } from '@latchkey/core'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import {
  consentAs,
  expectNoSecrets,
  type RunningGateway,
  runCommand,
  startGateway,
  startServe,
  type TemporaryFolder,
  temporaryFolder,
} from './fixtures/index.ts'
import { connectLegacyClient, connectModernClient } from './fixtures/stdio/connectClient.ts'
import { watchProcesses } from './fixtures/stdio/watchProcesses.ts'

const CLIENTS = [
  ['2026-07-28', connectModernClient],
  ['2025-11-25', connectLegacyClient],
] as const
const PROGRAMS = ['modern', 'legacy'] as const
const GATEWAY_CANARY = 'canary-gateway-environment'
const TOKENS = { ada: 'canary-token-of-ada', grace: 'canary-token-of-grace' }
const TYPED = { type: 'api_key', variable: 'SERVICE_TOKEN' } as const

const programOf = (name: string, ...args: string[]) => ({
  command: process.execPath,
  args: [
    '--disable-warning=ExperimentalWarning',
    fileURLToPath(new URL(`fixtures/stdio/${name}Program.ts`, import.meta.url)),
    ...args,
  ],
})

describe('an upstream that is a program', () => {
  let folder: TemporaryFolder
  let gateway: RunningGateway
  let processes: Awaited<ReturnType<typeof watchProcesses>>
  const logLines: string[] = []
  beforeAll(async () => {
    vi.stubEnv('LATCHKEY_CANARY', GATEWAY_CANARY)
    folder = await temporaryFolder()
    processes = await watchProcesses()
    const env = { TEST_PORT: String(processes.port), NOTES: join(folder.path, 'notes') }
    gateway = await startGateway({
      connections: {
        modern: { ...programOf('modern'), env, auth: { type: 'none' } },
        legacy: { ...programOf('legacy'), env, auth: { type: 'none' } },
        own: { ...programOf('modern'), env, auth: TYPED },
        gone: { command: join(folder.path, 'nothing'), auth: { type: 'none' } },
      },
      configs: {
        modern: { modern: '*' },
        legacy: { legacy: '*' },
        own: { own: ['whoami', 'environment'], modern: ['whoami'] },
        broken: { modern: ['whoami'], gone: '*' },
      },
      log: (line) => void logLines.push(JSON.stringify(line)),
    })
  })
  afterAll(async () => {
    await gateway.close()
    processes.close()
    vi.unstubAllEnvs()
    await folder[Symbol.asyncDispose]()
  })

  function appOf(config: string) {
    const { url, clientId, clientSecret } = gateway
    return createLatchkey({ url, clientId, clientSecret, config })
  }

  async function urlOf(config: string, user = 'ada'): Promise<string> {
    await using latchkey = appOf(config)
    return await latchkey.mcpUrl(user)
  }

  /** Connects what this user's agent needs, as the person would. */
  async function connectAll(user: keyof typeof TOKENS): Promise<void> {
    await using latchkey = appOf('own')
    const { id } = await latchkey.ensureInstance(user)
    const connections = await latchkey.getAuthState(id, { includeAuthLinks: true })
    for (const { authenticationLink = '' } of connections.filter(({ isActive }) => !isActive)) {
      const page = await consentAs(user, authenticationLink, { apiKey: TOKENS[user] })
      expect(page.title).toMatch(/is connected$/)
    }
  }

  it.each(CLIENTS.flatMap(([revision, connect]) => PROGRAMS.map((program) => [revision, program, connect] as const)))(
    'lists and calls its tools for a client of %s, and tells how far a call is, if it is a %s one',
    async (_revision, program, connect) => {
      await using client = await connect(await urlOf(program))
      expect(await client.toolNames()).toEqual(expect.arrayContaining(['ask', 'talk', 'whoami']))
      const progress: unknown[] = []
      const said = await client.call('talk', { label: 'one' }, { onProgress: (each) => progress.push(each) })
      expect(said).toBe('said one')
      expect(progress).toMatchObject([{ progress: 1, message: 'one' }])
    },
  )

  const notes = async () => await readFile(join(folder.path, 'notes'), 'utf8').catch(() => '')

  describe.each([
    ['modern', connectModernClient],
    ['legacy', connectLegacyClient],
  ] as const)('of the %s era', (program, connect) => {
    it('is told that a call was given up', async () => {
      await using client = await connect(await urlOf(program))
      const abort = new AbortController()
      const waits = client.call('wait', {}, { signal: abort.signal, onProgress: () => abort.abort() })
      const heard = client.call('hear_of_giving_up', {})
      await expect(waits).rejects.toThrow(/abort/i)
      expect(await heard).toBe('it was given up')
    })

    it('tells the client that its tools have changed, and lists those of the process that is called', async () => {
      // Of another kind, which can have a process of its own.
      await using other = await connectModernClient(await urlOf(program, 'grace'))
      expect(await other.toolNames()).not.toContain('grown_1')
      await using client = await connect(await urlOf(program, 'grace'))
      const heard = { isTold: false }
      await client.onToolListChange(() => (heard.isTold = true))
      // The gateway begins to listen when its client does, and what is said before that is not heard.
      while (!heard.isTold) await client.call('grow', {})
      expect(await client.toolNames()).toContain('grown_1')
    })

    it('fails a call once where it dies in the middle of it, and is started again for the next', async () => {
      await using client = await connect(await urlOf(program))
      const before = await notes()
      await expect(client.call('crash', {})).rejects.toThrow(
        `The connection "${program}" ended (exit code 7) before it had answered; what it was asked may have been carried out.`,
      )
      expect(await notes()).toBe(`${before}called\n`)
      expect(await client.call('whoami', {})).toContain('undefined is')
    })
  })

  it.each([
    ['2026-07-28', 'modern', connectModernClient, 'Hello, Ada'],
    ['2025-11-25', 'modern', connectLegacyClient, 'Hello, Ada'],
    ['2025-11-25', 'legacy', connectLegacyClient, 'Hello, Ada'],
    ['2026-07-28', 'legacy', connectModernClient, 'Client does not support form elicitation.'],
  ] as const)(
    'asks the user of a client of %s in the middle of a call, for a %s one',
    async (_revision, program, connect, said) => {
      await using client = await connect(await urlOf(program))
      expect(await client.call('ask', {})).toBe(said)
    },
  )

  it('has a process of its own for each user, with this user’s credential and nothing of the gateway’s environment', async () => {
    await connectAll('ada')
    await connectAll('grace')
    const said = await Promise.all(
      (['ada', 'grace'] as const).map(async (user) => {
        await using client = await connectModernClient(await urlOf('own', user))
        expect(await client.toolNames()).toEqual(['modern__whoami', 'own__environment', 'own__whoami'])
        await expect(client.call('own__crash', {})).rejects.toThrow('own__crash')
        const answers = await Promise.all([client.call('own__whoami', {}), client.call('own__environment', {})])
        return answers.join()
      }),
    )
    const [ada = '', grace = ''] = said
    expect(ada).toContain(TOKENS.ada)
    expect(grace).toContain(TOKENS.grace)
    expectNoSecrets(ada, { grace: TOKENS.grace, gateway: GATEWAY_CANARY })
    expectNoSecrets(grace, { ada: TOKENS.ada, gateway: GATEWAY_CANARY })
    expectNoSecrets(logLines.join(), TOKENS)
  })

  it('ends the processes of a user who is revoked, and of nobody else', async () => {
    const grace = await processes.find(TOKENS.grace, 1)
    await using client = await connectModernClient(await urlOf('own', 'ada'))
    const before = await client.call('own__whoami', {})
    await using latchkey = appOf('own')
    await latchkey.revokeUser('grace')
    await grace.ended
    expect(await client.call('own__whoami', {})).toBe(before)
  })

  it('costs its own tools alone where it cannot be started, and the doctor says so', async () => {
    await using client = await connectModernClient(await urlOf('broken'))
    expect(await client.toolNames()).toEqual(['modern__whoami'])
    const { url, clientId, clientSecret } = gateway
    const env = { LATCHKEY_URL: url, LATCHKEY_CLIENT_ID: clientId, LATCHKEY_CLIENT_SECRET: clientSecret }
    const { stdout } = await runCommand(['doctor', 'ada', '--json'], { folder: folder.path, env })
    expect(stdout).toContain('The connection \\"gone\\" could not be started (ENOENT).')
    expect(stdout).toContain('does its command run when you type it in?')
  })

  it('leaves no process when the gateway closes, nor when it is killed', async () => {
    const env = { TEST_PORT: String(processes.port), SERVICE_TOKEN: 'of a gateway that is killed' }
    await using served = await startServe(
      () => ({
        database: 'sqlite::memory:',
        clients: [{ clientId: 'app', clientSecret: 'secret' }],
        connections: { plain: { ...programOf('plain', 'stubborn'), env, auth: { type: 'none' } } },
        configs: { plain: { plain: '*' } },
      }),
      { folder: folder.path },
    )
    await using latchkey = createLatchkey({ url: served.url, clientId: 'app', clientSecret: 'secret', config: 'plain' })
    await using client = await connectModernClient(await latchkey.mcpUrl('ada'))
    await client.toolNames().catch(() => undefined)
    const orphan = await processes.find(env.SERVICE_TOKEN)
    await served.stop('SIGKILL')
    await expect(orphan.ended).resolves.toBeUndefined()

    // The first of them was there to try what was typed in.
    const own = await processes.find(TOKENS.ada, 1)
    await gateway.close()
    await expect(own.ended).resolves.toBeUndefined()
  })
})
