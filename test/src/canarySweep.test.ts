import { createLatchkey } from '@latchkey/core'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  consentAs,
  createHttpBrowser,
  freePort,
  listen,
  type PostgresServer,
  secretsIn,
  startAuthorizationServer,
  startCalendarServer,
  startDirectoryServer,
  startMailServer,
  startPostgres,
  startServe,
  temporaryFolder,
} from './fixtures/index.ts'

/** It starts a database and several processes one after another: on a machine that is busy, minutes. */
const TIMEOUT_MS = 300_000

const CLIENT_SECRET = 'canary-client-secret-4f1c9a'
const WEBHOOK_SECRET = `whsec_${Buffer.from('canary-webhook-secret-0a4d7e1b').toString('base64')}`
const WRONG_KEY = 'canary-wrong-api-key-77d2e0'
const WRONG_SECRET = 'canary-wrong-client-secret-b81f'

describe.each(['sqlite', 'postgres'] as const)('latchkey serve on %s', (store) => {
  it(
    'leaves no secret in its output or its files, and repeats none in an error, whatever happens (T2, T5)',
    { timeout: TIMEOUT_MS },
    async () => {
      await using stack = new AsyncDisposableStack()
      const folder = stack.use(await temporaryFolder()).path
      const postgres = store === 'postgres' ? stack.use(await startPostgres()) : undefined
      const kept = await postgres?.createGatewayOptions()
      const firstLog = postgres && (await newLog(postgres))
      const contentOf = () =>
        postgres === undefined ? contentOfFiles(join(folder, 'data')) : contentOfServer(postgres, firstLog ?? '')
      const authorizationServer = stack.use(await startAuthorizationServer())
      const mail = stack.use(await startMailServer(authorizationServer))
      const calendar = stack.use(await startCalendarServer(authorizationServer))
      const directory = stack.use(await startDirectoryServer())
      let providerSecret = ''
      const collector = stack.use(await startCollector())
      const metricsPort = await freePort()
      const gateway = stack.use(
        await startServe(
          async (publicUrl) => {
            const client = await authorizationServer.addClient({ redirectUris: [`${publicUrl}/oauth/callback`] })
            providerSecret = client.clientSecret
            return {
              database: 'sqlite:./data/latchkey.db',
              ...kept,
              clients: [{ clientId: 'app', clientSecret: { env: 'LATCHKEY_CLIENT_SECRET' } }],
              connections: {
                mail: { mcpServerUrl: mail.url, auth: { type: 'oauth2', ...client } },
                calendar: { mcpServerUrl: calendar.url, auth: { type: 'oauth2' } },
                directory: { mcpServerUrl: directory.url, auth: { type: 'api_key', header: directory.header } },
              },
              configs: { agent: { mail: '*', calendar: '*', directory: '*' } },
              webhooks: [{ url: `${collector.origin}/hook`, secret: WEBHOOK_SECRET }],
              telemetry: { propagateTraceContext: true },
            }
          },
          {
            folder,
            env: { LATCHKEY_CLIENT_SECRET: CLIENT_SECRET, OTEL_EXPORTER_OTLP_ENDPOINT: collector.origin },
            args: ['--metrics-port', String(metricsPort)],
          },
        ),
      )
      const { url } = gateway
      const accessTokens: string[] = []
      const app = stack.use(
        createLatchkey({
          url,
          clientId: 'app',
          clientSecret: CLIENT_SECRET,
          config: 'agent',
          // Sees the app's own token as it goes by.
          fetch: async (target, init) => {
            const token = new Headers(init?.headers).get('authorization')?.split(' ')[1]
            if (token !== undefined && !accessTokens.includes(token)) accessTokens.push(token)
            return await fetch(target, init)
          },
        }),
      )

      // Consent: declined, failed at the provider, a wrong key; then all of it.
      const browser = createHttpBrowser()
      const apiKey = directory.keys.issue('alice')
      const { id } = await app.ensureInstance('alice')
      const links: string[] = []
      for (const { connectionName, authenticationLink = '' } of await app.getAuthState(id, {
        includeAuthLinks: true,
      })) {
        links.push(authenticationLink)
        if (connectionName === 'mail') await consentAs('alice', authenticationLink, { browser, decision: 'deny' })
        if (connectionName === 'calendar') {
          authorizationServer.failTokenCalls({ status: 500 })
          await consentAs('alice', authenticationLink, { browser })
        }
        if (connectionName === 'directory') await consentAs('alice', authenticationLink, { browser, apiKey: WRONG_KEY })
        await consentAs('alice', authenticationLink, { browser, apiKey })
      }
      const cookies = (await browser.cookies.getCookies(url)).map(({ value }) => value)

      // Calls: they work, are refused and renewed, fail, and at last need consent again.
      const mcpUrl = await app.mcpUrl('alice')
      const { tools } = await app.userTools('alice')
      const whoami = tools.find(({ name }) => name === 'mail__whoami')
      await whoami?.call({})
      authorizationServer.revokeAccessTokens('alice')
      await whoami?.call({})
      mail.faults.failNext({ status: 302, method: 'tools/call' })
      await expect(whoami?.call({})).rejects.toMatchObject({ name: 'LatchkeyError' })
      authorizationServer.revokeUser('alice')
      await expect(whoami?.call({})).rejects.toMatchObject({ code: 'authorization_required' })

      // Secrets where they do not belong: every answer to these is an error, and may repeat nothing.
      const [link = ''] = links
      const callback = browser.visits.find((visit) => visit.url.includes('/oauth/callback?'))?.url ?? ''
      const errors = await Promise.all([
        answerTo(`${mcpUrl}x`, { method: 'POST', body: '{' }),
        answerTo(mcpUrl),
        answerTo(mcpUrl, { method: 'POST', body: `{"jsonrpc":"2.0","id":1,"method":"${lastSegment(mcpUrl)}"}` }),
        answerTo(`${mcpUrl}/below`),
        answerTo(`${url}/mcp?token=${lastSegment(mcpUrl)}`),
        answerTo(`${link}x`),
        answerTo(link, { method: 'DELETE' }),
        answerTo(link, { method: 'POST', body: new URLSearchParams({ csrf_token: 'x', api_key: apiKey }) }),
        answerTo(callback),
        answerTo(`${url}/oauth/token`, {
          method: 'POST',
          body: new URLSearchParams({
            grant_type: 'client_credentials',
            client_id: 'app',
            client_secret: WRONG_SECRET,
          }),
        }),
        answerTo(`${url}/api/v1/mcp/instances`, {
          method: 'POST',
          headers: { authorization: `Bearer x${accessTokens[0]}` },
        }),
        answerTo(`${url}/${lastSegment(mcpUrl)}`),
      ])

      const queries = browser.visits.map((visit) => new URL(visit.url).searchParams)
      const rings = kept === undefined ? await keptRings(folder) : [kept.encryptionKeys, kept.signingKeys]
      const ringKeys = rings.map((ring) => ring.slice(ring.indexOf(':') + 1))
      const secrets = {
        CLIENT_SECRET,
        WEBHOOK_SECRET,
        WRONG_KEY,
        WRONG_SECRET,
        providerSecret,
        apiKey,
        ...named('url', [lastSegment(mcpUrl)]),
        ...named('link', links.map(lastSegment)),
        ...named('upstream token', authorizationServer.issuedTokens),
        ...named('app or session token', accessTokens),
        ...named('code', unique(queries.flatMap((query) => query.getAll('code')))),
        ...named('state', unique(queries.flatMap((query) => query.getAll('state')))),
        ...named('cookie', cookies),
        ...named('key', ringKeys),
        ...named('database', kept === undefined ? [] : [new URL(kept.database).password]),
      }
      const inMetrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
      const inOutput = gateway.stdout() + gateway.stderr()
      const inFiles = await contentOf()
      expect(await gateway.stop()).toBe(0)
      const afterwards = await contentOf()

      // A sweep that has nothing to look for, or nowhere to look, finds nothing either.
      for (const kind of ['link', 'upstream token', 'app or session token', 'code', 'state', 'cookie', 'key']) {
        expect(Object.keys(secrets)).toContain(`${kind} 1`)
      }
      expect(secretsIn(inOutput, { route: '/connect/:token' })).toEqual(['route'])
      expect(secretsIn(inOutput, { audit: 'session_token.issued' })).toEqual(['audit'])
      expect(secretsIn(inFiles, { audit: 'session_token.issued' })).toEqual(['audit'])
      expect(secretsIn(inMetrics, { route: '/connect/:token', user: 'alice' })).toEqual(['route'])
      expect(secretsIn(collector.received(), { span: 'tools/call whoami', metric: 'latchkey.refreshes' })).toEqual([
        'span',
        'metric',
      ])
      expect(secretsIn(collector.received('/hook'), { event: 'connected_account.status_updated' })).toEqual(['event'])
      for (const files of [inFiles, afterwards]) expect(secretsIn(files, { user: 'alice' })).toEqual(['user'])
      expect(errors.map(({ status }) => status)).toEqual([404, 405, 200, 404, 404, 404, 404, 403, 303, 401, 401, 404])

      const all = withBytes(secrets)
      expect(secretsIn(inOutput, all)).toEqual([])
      expect(secretsIn(inMetrics, all)).toEqual([])
      expect(secretsIn(collector.received(), all)).toEqual([])
      expect(secretsIn(inFiles, all)).toEqual([])
      expect(secretsIn(afterwards, all)).toEqual([])
      expect(secretsIn(errors.map(({ text }) => text).join('\n'), all)).toEqual([])
      // It finds each of them where it is.
      const sample = inFiles.slice(0, 1_000_000)
      for (const [name, secret] of Object.entries(all)) expect(secretsIn(sample + secret, all)).toContain(name)
    },
  )
})

/** Where traces, metrics and webhooks go: keeps all of it. */
async function startCollector() {
  const bodies: { path: string; text: string }[] = []
  const { origin, close } = await listen(async (request) => {
    const text = `${JSON.stringify([...request.headers])}${await request.text()}`
    bodies.push({ path: new URL(request.url).pathname, text })
    return Response.json({})
  })
  const received = (prefix = '/') =>
    bodies
      .filter(({ path }) => path.startsWith(prefix))
      .map(({ text }) => text)
      .join('\n')
  return { origin, received, [Symbol.asyncDispose]: close }
}

/** An answer with all that anybody can read in it. */
async function answerTo(url: string, init: RequestInit = {}): Promise<{ status: number; text: string }> {
  const headers = new Headers(init.headers)
  if (!(init.body instanceof URLSearchParams)) headers.set('content-type', 'application/json')
  const response = await fetch(url, { ...init, headers, redirect: 'manual' })
  return { status: response.status, text: JSON.stringify([...response.headers]) + (await response.text()) }
}

async function keptRings(folder: string): Promise<string[]> {
  const rings: Record<string, string> = JSON.parse(await readFile(join(folder, 'data/latchkey.keys.json'), 'utf8'))
  return Object.values(rings)
}

/** The files from this number on are of tables that somebody made; the others came with Postgres. */
const FIRST_OWN_FILE = 16_384

/** What lies in the files of a Postgres: its tables, and its log from this file on, so also what was deleted since. */
async function contentOfServer({ folder, query }: PostgresServer, firstLog: string): Promise<string> {
  await query('checkpoint')
  const files = await readdir(folder, { recursive: true, withFileTypes: true })
  const wanted = files.filter(({ name, parentPath }) =>
    parentPath.endsWith('pg_wal') ? name >= firstLog : Number.parseInt(name, 10) >= FIRST_OWN_FILE,
  )
  const read = wanted.filter((file) => file.isFile()).map(({ name, parentPath }) => readFile(join(parentPath, name)))
  return (await Promise.all(read)).map((bytes) => withoutRest(bytes).toString('latin1')).join('\n')
}

/** What has not been written yet is filled up with zeros. */
function withoutRest(bytes: Buffer): Buffer {
  return bytes.subarray(0, bytes.findLastIndex((byte) => byte !== 0) + 1)
}

/** Has the server go on in a new file of its log, and gives the name. */
async function newLog({ query }: PostgresServer): Promise<string> {
  await query('select pg_switch_wal()')
  const [row] = await query('select pg_walfile_name(pg_current_wal_lsn()) as name')
  return String(row?.['name'])
}

/** Every file but the key file, whose purpose is to hold the keys. */
async function contentOfFiles(folder: string): Promise<string> {
  const files = (await readdir(folder)).filter((file) => file !== 'latchkey.keys.json')
  expect(files).toContain('latchkey.db')
  return (await Promise.all(files.map(async (file) => await readFile(join(folder, file), 'latin1')))).join('\n')
}

/** The secrets, and the random bytes within those that are written as text. */
function withBytes(secrets: Readonly<Record<string, string>>): Record<string, string> {
  const bytes = Object.entries(secrets).flatMap(([name, secret]) => {
    const random = secret.replace(/^lk[a-z]+_/, '')
    return /^[\w-]{40,}$/.test(random)
      ? [[`bytes of ${name}`, Buffer.from(random, 'base64url').toString('latin1')]]
      : []
  })
  return { ...secrets, ...Object.fromEntries(bytes) }
}

function named(name: string, values: readonly string[]): Record<string, string> {
  return Object.fromEntries(values.map((value, index) => [`${name} ${index}`, value]))
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)]
}

function lastSegment(url: string): string {
  return url.split('/').at(-1) ?? ''
}
