import { createLatchkey, type Latchkey } from '@latchkey/core'
import { once } from 'node:events'
import { stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  consentAs,
  type DirectoryServer,
  freePort,
  portOf,
  type ServeProcess,
  startCommand,
  startDirectoryServer,
  startServe,
  type TemporaryFolder,
  temporaryFolder,
} from './fixtures/index.ts'

const CLIENT_SECRET = 'the-secret-of-the-app'
const env = { LATCHKEY_CLIENT_SECRET: CLIENT_SECRET }

describe('latchkey serve', () => {
  let directory: DirectoryServer
  let temporary: TemporaryFolder
  let folder: string
  beforeAll(async () => {
    directory = await startDirectoryServer()
  })
  afterAll(async () => await directory.close())
  beforeEach(async () => {
    temporary = await temporaryFolder()
    folder = temporary.path
  })
  afterEach(async () => await temporary[Symbol.asyncDispose]())

  const options = () => ({
    database: 'sqlite:./data/latchkey.db',
    clients: [{ clientId: 'app', clientSecret: { env: 'LATCHKEY_CLIENT_SECRET' } }],
    connections: {
      directory: { mcpServerUrl: directory.url, auth: { type: 'api_key', header: directory.header } },
    },
    configs: { reader: { directory: ['whoami'] } },
  })

  /** Makes the user's account ACTIVE if it is not, and gives the user's URL. */
  async function ready(gateway: ServeProcess, user: string): Promise<string> {
    await using app = appOf(gateway)
    const states = await app.getAuthState((await app.ensureInstance(user)).id, { includeAuthLinks: true })
    for (const { authenticationLink } of states) {
      if (authenticationLink === undefined) continue
      await consentAs(user, authenticationLink, { apiKey: directory.keys.issue(user) })
    }
    await app.ready(user)
    return await app.mcpUrl(user)
  }

  it("leads from a configuration file to a user's tools, and ends with 0 on SIGTERM", async () => {
    await using gateway = await startServe(options, { folder, env })
    await using app = appOf(gateway)
    const { tools } = await app.userTools('alice', {
      onAuthorizationRequired: async ([connection]) => {
        await consentAs('alice', connection?.authenticationLink ?? '', { apiKey: directory.keys.issue('alice') })
      },
    })
    expect(tools.map(({ name }) => name)).toEqual(['whoami'])
    expect(JSON.stringify(await tools[0]?.call({}))).toContain('alice')
    expect(await gateway.stop('SIGTERM')).toBe(0)
    expect(gateway.stderr()).toMatch(/^Latchkey serves http:\/\/127\.0\.0\.1:\d+ .*1 connection and 1 MCP config\b/)
  })

  it('takes a TypeScript configuration, and ends with 0 on SIGINT', async () => {
    const port = await freePort()
    const config = { publicUrl: `http://127.0.0.1:${port}`, ...options() }
    await writeFile(
      join(folder, 'gateway.ts'),
      `const config: object = ${JSON.stringify(config)}\nexport default config`,
    )
    await using gateway = startCommand(['serve', '--config', 'gateway.ts'], { folder, env })
    await gateway.says('Latchkey serves')
    expect(await (await fetch(`${config.publicUrl}/health`)).json()).toEqual({ status: 'ok' })
    expect(await gateway.stop('SIGINT')).toBe(0)
  })

  it('gives the same URLs, and keeps accounts connected, when it is started again', async () => {
    await using first = await startServe(options, { folder, env })
    const port = Number(new URL(first.url).port)
    const before = await ready(first, 'bob')
    await first.stop()
    await using second = await startServe(options, { folder, env, port })
    expect(await ready(second, 'bob')).toBe(before)
    expect((await stat(join(folder, 'data/latchkey.keys.json'))).mode & 0o777).toBe(0o600)
    expect((await stat(join(folder, 'data/latchkey.db'))).mode & 0o777).toBe(0o600)
  })

  it('writes one line of JSON for each request, with the pattern of its route', async () => {
    await using gateway = await startServe(options, { folder, env })
    const paths = ['/health', '/mcp/lkurl_made-up', '/connect/lklink_made-up', '/somewhere/secret-looking', '/keys']
    for (const path of paths) await fetch(`${gateway.url}${path}`)
    await gateway.stop()
    const lines = gateway.stdout().trimEnd().split('\n')
    const all: { route: string; status: number; message: string }[] = lines.map((line) => JSON.parse(line))
    const records = all.filter(({ message }) => message !== 'audit')
    expect(records.map(({ route, status }) => `${route} ${status}`)).toEqual([
      '/health 200',
      '/mcp/:endpoint 404',
      '/connect/:token 404',
      '/* 404',
      '/keys 200',
    ])
    expect(records.every(({ message }) => message === 'request')).toBe(true)
    expect(gateway.stdout()).not.toMatch(/made-up|secret-looking/)
  })

  it('answers what it has begun before it ends, though an event stream is open', async () => {
    await using gateway = await startServe(options, { folder, env })
    await using app = appOf(gateway)
    const { tools } = await app.userTools('carol', {
      onAuthorizationRequired: async ([connection]) => {
        await consentAs('carol', connection?.authenticationLink ?? '', { apiKey: directory.keys.issue('carol') })
      },
    })
    const waiting = app.userTools('dave', { onAuthorizationRequired: () => {}, timeoutMs: 20_000 })
    const ended = waiting.catch(() => {})
    const hold = directory.faults.holdNext({ user: 'carol', method: 'tools/call' })
    const call = tools[0]?.call({})
    await hold.entered
    const stopped = gateway.stop('SIGTERM')
    // It listens no more when this is refused; the call is still under way then.
    await expect.poll(async () => await fetch(`${gateway.url}/health`).catch(() => 'refused')).toBe('refused')
    hold.release()
    expect(JSON.stringify(await call)).toContain('carol')
    expect(await stopped).toBe(0)
    await app.close()
    await ended
  })

  it('is not ready from SIGTERM on, while it serves for as long as it was told to', async () => {
    await using gateway = await startServe(options, { folder, env, args: ['--drain-seconds', '2'] })
    const statusOf = async (path: string) => (await fetch(`${gateway.url}${path}`)).status
    expect(await statusOf('/ready')).toBe(200)
    const stopped = gateway.stop('SIGTERM')
    await expect.poll(() => statusOf('/ready')).toBe(503)
    expect(await statusOf('/keys')).toBe(200)
    expect(await stopped).toBe(0)
  })

  it('serves metrics at an address of their own, and not at the public one', async () => {
    const metricsPort = await freePort()
    await using gateway = await startServe(options, { folder, env, args: ['--metrics-port', String(metricsPort)] })
    const metrics = await fetch(`http://127.0.0.1:${metricsPort}/metrics`)
    expect([metrics.status, metrics.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/plain')])
    expect(await metrics.text()).toContain('nodejs_eventloop_delay_p99')
    expect((await fetch(`${gateway.url}/metrics`)).status).toBe(404)
    expect((await fetch(`http://127.0.0.1:${metricsPort}/keys`)).status).toBe(404)
    expect(await gateway.stop()).toBe(0)
  })

  it.each([
    [
      'a typo in the configuration',
      { conections: {} },
      /latchkey\.config\.json: .*not valid:\n.*conections: unknown key, did you mean "connections"/s,
    ],
    [
      'an unset variable',
      { clients: [{ clientId: 'a', clientSecret: { env: 'NOT_SET' } }] },
      /clients\[0\]\.clientSecret: the environment variable NOT_SET is not set/,
    ],
    [
      'an unknown connection in a config',
      { configs: { reader: { direktory: '*' } } },
      /configs\.reader\.direktory: there is no such connection, did you mean "directory"\?/,
    ],
  ])('ends with 1 and says why when there is %s', async (_what, wrong, message) => {
    await writeFile(
      join(folder, 'latchkey.config.json'),
      JSON.stringify({ publicUrl: 'http://127.0.0.1:9', ...options(), ...wrong }),
    )
    await using command = startCommand(['serve'], { folder, env })
    expect(await command.ended).toBe(1)
    expect(command.stderr()).toMatch(message)
    expect(command.stderr()).toMatch(/^latchkey: /)
    expect(command.stderr()).not.toMatch(/^\s+at /m)
    expect(command.stderr()).not.toContain(CLIENT_SECRET)
    expect(command.stdout()).toBe('')
  })

  it('ends with 1 and says so when its port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const publicUrl = `http://127.0.0.1:${portOf(other)}`
    await writeFile(join(folder, 'latchkey.config.json'), JSON.stringify({ ...options(), publicUrl }))
    await using command = startCommand(['serve'], { folder, env })
    expect(await command.ended).toBe(1)
    expect(command.stderr()).toMatch(/^latchkey: Cannot listen on .*: something else listens there already\.\n$/)
    other.close()
  })

  it('ends with 1 when it is to listen where its URLs do not lead', async () => {
    await writeFile(
      join(folder, 'latchkey.config.json'),
      JSON.stringify({ publicUrl: 'http://127.0.0.1:8787', ...options() }),
    )
    await using command = startCommand(['serve', '--port', '8788'], { folder, env })
    expect(await command.ended).toBe(1)
    expect(command.stderr()).toMatch(/--port is 8788, but publicUrl is http:\/\/127\.0\.0\.1:8787/)
  })

  it('ends with 1 and names the file when there is none', async () => {
    await using command = startCommand(['serve', '--config', 'missing.json'], { folder })
    expect(await command.ended).toBe(1)
    expect(command.stderr()).toBe(`latchkey: ${join(folder, 'missing.json')} cannot be read. Does it exist?\n`)
  })

  it.each([[['serve', '--prot', '1']], [['sevre']]])('ends with 2 when it is called as %j', async (args) => {
    await using command = startCommand(args, { folder })
    expect(await command.ended).toBe(2)
    expect(command.stderr()).toMatch(/did you mean|unknown/i)
  })
})

function appOf({ url }: ServeProcess): Latchkey {
  return createLatchkey({ url, clientId: 'app', clientSecret: CLIENT_SECRET, config: 'reader' })
}
