import { createGateway, type Gateway, type GatewayOptions } from '@latchkey/gateway'
import { createMcpHandler, Server } from '@modelcontextprotocol/server'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import {
  consentAs,
  freePort,
  listen,
  portOf,
  type RunningGateway,
  runCommand,
  selfSignedCertificate,
  type Stack,
  startGateway,
  startServe,
  startStack,
  type TemporaryFolder,
  temporaryFolder,
} from './fixtures/index.ts'

const START = Date.parse('2026-07-28T10:00:00.000Z')
const HOUR_MS = 3_600_000

const findingsSchema = z.object({
  problems: z.number(),
  warnings: z.number(),
  findings: z.array(
    z.object({
      check: z.string(),
      level: z.string(),
      subject: z.string().optional(),
      message: z.string(),
      advice: z.string().optional(),
    }),
  ),
})

let stack: Stack
let now = START
let temporary: TemporaryFolder
const opened = new AsyncDisposableStack()
beforeAll(async () => {
  temporary = await temporaryFolder()
  stack = await startStack({
    configs: {
      'email-agent': { mail: ['search_mail'], directory: '*' },
      typo: { directory: ['whoami', 'find_persn'] },
      reader: { directory: '*' },
    },
    clock: () => now,
  })
})
afterAll(async () => {
  await stack[Symbol.asyncDispose]()
  await temporary[Symbol.asyncDispose]()
  await opened.disposeAsync()
})
afterEach(() => {
  now = START
})

const environmentOf = ({ url, clientId, clientSecret }: RunningGateway) => ({
  LATCHKEY_URL: url,
  LATCHKEY_CLIENT_ID: clientId,
  LATCHKEY_CLIENT_SECRET: clientSecret,
})
const environment = () => environmentOf(stack.gateway)

/** What doctor finds, and how it ends. */
async function doctor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const options = { folder: temporary.path, env: { ...environment(), ...env } }
  const { exitCode, json } = await runCommand(['doctor', ...args, '--json'], options)
  const { findings, problems } = findingsSchema.parse(json())
  const of = (check: string) => findings.filter((finding) => finding.check === check && finding.level !== 'ok')
  return { exitCode, problems, findings, of }
}

async function serveHere(fetch: Parameters<typeof listen>[0]): Promise<string> {
  const listener = await listen(fetch)
  opened.defer(listener.close)
  return listener.origin
}

/** Everything that comes to another address goes to the gateway, and back through `change`. */
async function proxy(change: (response: Response, request: Request) => Response | Promise<Response>): Promise<string> {
  return await serveHere(async (request) => {
    const { pathname, search } = new URL(request.url)
    const headers = new Headers(request.headers)
    headers.delete('host')
    const body = request.method === 'GET' ? null : await request.text()
    const answer = await fetch(`${stack.gateway.url}${pathname}${search}`, { method: request.method, headers, body })
    return await change(answer, request)
  })
}

function key(text: string): string {
  return `k1:${Buffer.alloc(32, text).toString('base64url')}`
}

/** A gateway that believes to be at its public URL, whatever it is reached at. */
async function startElsewhere(
  options: Partial<GatewayOptions> & { publicUrl: string },
): Promise<{ url: string; gateway: Gateway }> {
  const gateway = await createGateway({
    database: 'sqlite::memory:',
    clients: [{ clientId: stack.gateway.clientId, clientSecret: stack.gateway.clientSecret }],
    connections: { docs: { mcpServerUrl: 'https://docs.example/mcp', auth: { type: 'none' } } },
    encryptionKeys: key('e'),
    signingKeys: key('s'),
    userVerification: 'off',
    ...options,
  })
  opened.use(gateway)
  const { host, origin } = new URL(options.publicUrl)
  const url = await serveHere(async (request) => {
    const { pathname, search } = new URL(request.url)
    const headers = new Headers(request.headers)
    headers.set('host', host)
    const body = request.method === 'GET' ? null : await request.text()
    return await gateway.fetch(new Request(`${origin}${pathname}${search}`, { method: request.method, headers, body }))
  })
  return { url, gateway }
}

describe('latchkey doctor', () => {
  it('finds nothing where nothing is wrong, and ends with 0', async () => {
    await stack.connectAll('ann')
    const { exitCode, problems, findings } = await doctor(['ann', '-m', 'email-agent'])
    expect([exitCode, problems]).toEqual([0, 0])
    expect(findings.filter(({ level }) => level === 'problem' || level === 'warning')).toEqual([])
    expect(findings.map(({ check }) => check)).toEqual(
      expect.arrayContaining([
        'gateway.reachable',
        'gateway.clock',
        'gateway.ready',
        'gateway.events',
        'connection.upstream',
      ]),
    )
  })

  it('tells people with a sign before each line and advice below it', async () => {
    const env = environment()
    const { exitCode, stdout } = await runCommand(['doctor', 'bob', '-m', 'reader'], { folder: temporary.path, env })
    expect(exitCode).toBe(1)
    expect(stdout).toMatch(/^✓ A gateway answers at http/)
    expect(stdout).toMatch(
      /^✗ directory is PENDING_AUTH, so its tools are missing\.\n {4}The user has to open a link: latchkey connect bob$/m,
    )
    expect(stdout).toMatch(/\n\n1 problem, 1 warning\.\n$/)
  })

  it('makes nothing for a user who is not there', async () => {
    const { of } = await doctor(['nobody'])
    expect(of('user.instance')).toMatchObject([
      { level: 'warning', advice: expect.stringContaining('latchkey connect nobody') },
    ])
    await doctor(['nobody', '-m', 'reader'])
    const status = await runCommand(['status', 'nobody', '-m', 'reader'], {
      folder: temporary.path,
      env: environment(),
    })
    expect(status.exitCode).toBe(4)
  })

  describe('finds', () => {
    it('1: a gateway that cannot be reached, or something else in its place', async () => {
      const gone = await doctor(['--url', `http://127.0.0.1:${await freePort()}`])
      expect(gone.exitCode).toBe(1)
      expect(gone.of('gateway.reachable')).toMatchObject([
        {
          level: 'problem',
          message: expect.stringMatching(/nothing listens there/),
          advice: expect.stringContaining('LATCHKEY_URL'),
        },
      ])
      const other = await doctor(['--url', await serveHere(() => new Response('<title>Hello</title>'))])
      expect(other.of('gateway.reachable')).toMatchObject([
        { message: expect.stringContaining('it is not a Latchkey gateway') },
      ])
    })

    it('2: credentials that the gateway refuses', async () => {
      const { exitCode, of } = await doctor([], { LATCHKEY_CLIENT_SECRET: 'wrong' })
      expect(exitCode).toBe(1)
      expect(of('gateway.credentials')).toMatchObject([
        {
          message: 'It refuses the client id or the secret.',
          advice: expect.stringContaining('LATCHKEY_CLIENT_SECRET'),
        },
      ])
    })

    it('3: clocks that differ', async () => {
      const url = await proxy((answer) => {
        const headers = new Headers(answer.headers)
        headers.delete('content-encoding')
        headers.delete('content-length')
        headers.set('date', new Date(Date.now() - 5 * 60_000).toUTCString())
        return new Response(answer.body, { status: answer.status, headers })
      })
      const { of } = await doctor(['--url', url])
      expect(of('gateway.clock')).toMatchObject([
        {
          level: 'problem',
          message: expect.stringMatching(/^The gateway's clock is (299|300|301) s behind/),
          advice: expect.stringContaining('NTP'),
        },
      ])
    })

    it('4: an address that redirects, or is not the public URL', async () => {
      const redirecting = await serveHere((request) =>
        Response.redirect(new URL('/x', 'https://gateway.example').href + new URL(request.url).search, 308),
      )
      expect((await doctor(['--url', redirecting])).of('gateway.public_url')).toMatchObject([
        {
          message: expect.stringContaining('redirects to https://gateway.example'),
          advice: expect.stringContaining('as LATCHKEY_URL'),
        },
      ])
      const strange = await startElsewhere({ publicUrl: 'https://gateway.invalid' })
      expect((await doctor(['--url', strange.url])).of('gateway.public_url')).toMatchObject([
        {
          level: 'problem',
          message: expect.stringContaining('https://gateway.invalid cannot be reached'),
          advice: expect.stringContaining('MCP URLs lead there'),
        },
      ])
      const hostless = await serveHere(async (request) => await strange.gateway.fetch(request))
      expect((await doctor(['--url', hostless])).of('gateway.public_url')).toMatchObject([
        { message: expect.stringContaining('is not served under that name') },
      ])
      const inTheClear = await doctor(['--url', 'http://gateway.example'])
      expect(inTheClear.of('gateway.tls')).toMatchObject([{ message: expect.stringContaining('is not https') }])
    })

    it('5: a certificate that nobody can trust, or that has expired', async () => {
      const files = selfSignedCertificate({ from: new Date('2019-01-01'), until: new Date('2020-01-01') })
      await writeFile(join(temporary.path, 'cert.pem'), files.cert)
      const server = createServer(files).listen(0, '127.0.0.1')
      await once(server, 'listening')
      opened.defer(() => void server.close())
      const url = `https://localhost:${portOf(server)}`
      expect((await doctor(['--url', url])).of('gateway.tls')).toMatchObject([
        {
          message: expect.stringMatching(/its certificate (is signed by itself|has expired)/),
          advice: expect.stringContaining('Renew'),
        },
      ])
      expect(
        (await doctor(['--url', url], { NODE_EXTRA_CA_CERTS: join(temporary.path, 'cert.pem') })).of('gateway.tls'),
      ).toMatchObject([{ message: expect.stringMatching(/has expired .*It is good until 2020/) }])
    })

    it('6: a connection that is not ACTIVE', async () => {
      await stack.connectAll('cleo')
      await stack.latchkey.getAuthState((await stack.latchkey.ensureInstance('cleo')).id)
      stack.authorizationServer.revokeUser('cleo')
      const { of } = await doctor(['cleo'])
      expect(of('connection.status')).toMatchObject([
        {
          level: 'problem',
          subject: 'mail',
          message: expect.stringContaining('is EXPIRED since'),
          advice: expect.stringContaining('latchkey connect cleo'),
        },
      ])
    })

    it('7: an upstream that is down, or answers nonsense', async () => {
      await stack.connectAll('dan')
      stack.directory.faults.failNext({ user: 'dan', method: 'tools/list', status: 503 })
      expect((await doctor(['dan'])).of('connection.upstream')).toMatchObject([
        {
          subject: 'directory',
          message: expect.stringContaining('(unreachable)'),
          advice: expect.stringContaining('Is that server up'),
        },
      ])
      stack.directory.faults.failNext({
        user: 'dan',
        method: 'tools/list',
        status: 200,
        body: '{"hello":1}',
        contentType: 'application/json',
      })
      expect((await doctor(['dan'])).of('connection.upstream')).toMatchObject([
        {
          subject: 'directory',
          message: expect.stringContaining('(invalid_response)'),
          advice: expect.stringContaining('mcpServerUrl'),
        },
      ])
    })

    it('8: a tool that the config allows and the service does not have', async () => {
      await stack.connectAll('eva')
      const { of } = await doctor(['eva', '-m', 'typo'])
      expect(of('tool.missing')).toMatchObject([
        {
          subject: 'directory: find_persn',
          message: expect.stringContaining('config "typo"'),
          advice: expect.stringContaining('Did you mean "find_person"?'),
        },
      ])
    })

    it('9: tools that were renamed, and why', async () => {
      const long = 'a_name_that_is_far_longer_than_the_sixty_four_characters_that_are_taken'
      const mcpServerUrl = await serveTools(['files.read all', long, 'plain'])
      await using gateway = await startGateway({
        connections: { files: { mcpServerUrl, auth: { type: 'none' } } },
        configs: { files: { files: '*' } },
      })
      const env = environmentOf(gateway)
      const made = await runCommand(['connect', 'finn', '--no-wait'], { folder: temporary.path, env })
      expect(made.exitCode).toBe(0)
      const { of } = await doctor(['finn'], env)
      expect(of('tool.renamed')).toMatchObject([
        {
          level: 'note',
          subject: 'files: files.read all',
          message: expect.stringMatching(
            /^is called files_read_all_[0-9a-f]{8} .*characters that model providers refuse/,
          ),
        },
        { subject: `files: ${long}`, message: expect.stringContaining('longer than the 64 characters') },
      ])
    })

    it('10: a credential that cannot be renewed for the moment', async () => {
      await stack.connectAll('gil')
      now = START + 2 * HOUR_MS
      stack.authorizationServer.failTokenCalls({ status: 503, times: 10 })
      const { of } = await doctor(['gil', '-m', 'email-agent'])
      expect(of('connection.credential')).toMatchObject([
        {
          subject: 'mail',
          level: 'problem',
          message: expect.stringMatching(/could not renew its credential: it failed [1-9]/),
          advice: expect.stringContaining('authorization server'),
        },
      ])
    })

    it('11: an old key that is not given up yet, and keys that are the wrong ones', async () => {
      const first = { k1: Buffer.alloc(32, 1).toString('base64url'), k2: Buffer.alloc(32, 2).toString('base64url') }
      const ring = (...ids: ('k1' | 'k2')[]) => ids.map((id) => `${id}:${first[id]}`).join(',')
      const options = (encryptionKeys: string) => () => ({
        database: 'sqlite:./keys.db',
        clients: [{ clientId: stack.gateway.clientId, clientSecret: stack.gateway.clientSecret }],
        connections: { docs: { mcpServerUrl: 'https://docs.example/mcp', auth: { type: 'none' } } },
        encryptionKeys,
        signingKeys: ring('k1'),
      })
      const { path: folder } = temporary
      await (await startServe(options(ring('k1')), { folder })).stop()
      await using gateway = await startServe(options(ring('k2', 'k1')), { folder })
      const { of } = await doctor(['--url', gateway.url, '-c', join(folder, 'latchkey.config.json')])
      expect(of('gateway.keys')).toMatchObject([
        {
          level: 'warning',
          subject: 'encryption key k1',
          message: expect.stringContaining('not given up yet'),
          advice: expect.stringContaining('latchkey keys status'),
        },
      ])
      expect(of('config.keys')).toEqual([])
      await gateway.stop()
      await writeFile(join(folder, 'wrong.json'), JSON.stringify({ publicUrl: gateway.url, ...options(ring('k1'))() }))
      expect((await doctor(['-c', join(folder, 'wrong.json')])).of('config.keys')).toMatchObject([
        {
          level: 'problem',
          message: expect.stringContaining('encryption key "k2"'),
          advice: expect.stringContaining('does not start'),
        },
      ])
    })

    it('12: a gateway that is not ready', async () => {
      const { url, gateway } = await startElsewhere({ publicUrl: 'http://127.0.0.1:9' })
      gateway.drain()
      expect((await doctor(['--url', url])).of('gateway.ready')).toMatchObject([
        {
          level: 'problem',
          message: 'It is not ready: accepting failed.',
          advice: expect.stringContaining('being stopped'),
        },
      ])
    })

    it('12: notifications of Postgres that are lost', async () => {
      const checks = { store: 'ok', notifications: 'failed' }
      const url = await proxy(async (answer, request) => {
        if (request.url.endsWith('/ready')) return Response.json({ status: 'ready', checks })
        return Response.json(await answer.json().catch(() => ({})), { status: answer.status })
      })
      expect((await doctor(['--url', url])).of('gateway.ready')).toMatchObject([
        {
          level: 'warning',
          message: 'It is ready, but notifications failed.',
          advice: expect.stringContaining('pooler in transaction mode'),
        },
      ])
    })

    it('13: a webhook that was disabled', async () => {
      const gone = await serveHere(() => new Response(null, { status: 410 }))
      const directory = stack.directory
      await using gateway = await startGateway({
        connections: {
          directory: { mcpServerUrl: directory.url, auth: { type: 'api_key', header: directory.header } },
        },
        configs: { reader: { directory: '*' } },
        webhooks: [{ url: `${gone}/hook?token=secret`, secret: `whsec_${Buffer.alloc(32, 7).toString('base64')}` }],
      })
      const env = environmentOf(gateway)
      const { json } = await runCommand(['connect', 'hal', '--no-wait', '--json'], { folder: temporary.path, env })
      const [link] = z
        .object({ connections: z.array(z.object({ authenticationLink: z.string() })) })
        .parse(json()).connections
      await consentAs('hal', link?.authenticationLink ?? '', { apiKey: directory.keys.issue('hal') })
      await expect
        .poll(async () => (await doctor([], env)).of('gateway.webhooks'), { timeout: 20_000 })
        .toMatchObject([
          {
            level: 'problem',
            message: 'is disabled, for it answered 410 (gone).',
            advice: expect.stringContaining('replay'),
          },
        ])
    })

    it('14: users who are not verified on a public URL', async () => {
      const { url } = await startElsewhere({ publicUrl: 'https://gateway.invalid' })
      expect((await doctor(['--url', url])).of('gateway.user_verification')).toMatchObject([
        {
          level: 'warning',
          message: expect.stringContaining('https://gateway.invalid is public'),
          advice: expect.stringContaining('userVerification'),
        },
      ])
    })

    it('15: a proxy that collects event streams instead of passing them on', async () => {
      const url = await proxy(async (answer, request) => {
        if (!new URL(request.url).pathname.endsWith('/events'))
          return new Response(await answer.text(), {
            status: answer.status,
            headers: { 'content-type': 'application/json' },
          })
        return new Response(await answer.text(), { headers: { 'content-type': 'text/event-stream' } })
      })
      expect((await doctor(['--url', url])).of('gateway.events')).toMatchObject([
        {
          level: 'problem',
          message: expect.stringContaining('nothing came within 5 s'),
          advice: expect.stringContaining('proxy_buffering'),
        },
      ])
    })

    it('16: a configuration with a wrong key, and a gateway that is not as its configuration says', async () => {
      const file = join(temporary.path, 'config.json')
      const config = {
        publicUrl: stack.gateway.url,
        database: 'sqlite::memory:',
        clients: [{ clientId: 'a', clientSecret: 'b' }],
        connections: {
          directory: { mcpServerUrl: stack.directory.url, auth: { type: 'none' } },
          wiki: { mcpServerUrl: 'https://wiki.example/mcp', auth: { type: 'none' } },
        },
        configs: { reader: { directory: ['whoami'] } },
      }
      await writeFile(file, JSON.stringify({ ...config, conections: {} }))
      expect((await doctor(['-c', file])).of('config.file')).toMatchObject([
        { level: 'problem', message: expect.stringContaining('did you mean "connections"') },
      ])
      await writeFile(file, JSON.stringify(config))
      expect((await doctor(['-c', file])).of('config.applied')).toMatchObject([
        {
          message: 'The gateway does not know connections of the file: wiki.',
          advice: expect.stringContaining('Start the gateway again'),
        },
        {
          subject: 'config reader',
          message: expect.stringContaining('directory: whoami instead of all tools'),
          advice: expect.stringContaining('latchkey config apply'),
        },
      ])
    })
  })
})

/** An MCP server with these tools, for everybody. */
async function serveTools(names: readonly string[]): Promise<string> {
  const handler = createMcpHandler(() => {
    const server = new Server({ name: 'odd-names', version: '1.0.0' }, { capabilities: { tools: {} } })
    server.setRequestHandler('tools/list', () => ({
      tools: names.map((name) => ({ name, inputSchema: { type: 'object' } })),
    }))
    return server
  })
  opened.defer(async () => await handler.close())
  return `${await serveHere(async (request) => await handler.fetch(request))}/mcp`
}
