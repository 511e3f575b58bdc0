import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { parseOptions } from '../../src/config/parseOptions.ts'

const docs = { mcpServerUrl: 'https://docs.example/mcp', auth: { type: 'none' } }
const GOOD = {
  publicUrl: 'http://127.0.0.1:8787',
  clients: [{ clientId: 'app', clientSecret: { env: 'LATCHKEY_CLIENT_SECRET' } }],
  connections: {
    mail: { provider: 'acme-mail', mcpServerUrl: 'https://mail.example/mcp', auth: { type: 'oauth2', scopes: ['a'] } },
    search: { mcpServerUrl: 'https://search.example/mcp', auth: { type: 'api_key', header: 'X-Api-Key' } },
    docs,
  },
  configs: { 'email-agent': { mail: ['search_mail', 'read_mail'], search: '*' } },
}
const SIGNING_SECRET = `whsec_${Buffer.alloc(24, 1).toString('base64')}`
const environment = { LATCHKEY_CLIENT_SECRET: 'canary-secret' }

function problems(options: unknown, variables: Record<string, string> = environment): string[] {
  try {
    parseOptions(options, { environment: variables })
    return []
  } catch (error) {
    const [, ...lines] = String(error instanceof Error && error.message).split('\n')
    return lines.map((line) => line.trim())
  }
}

describe('parseOptions', () => {
  it('takes webhooks, whose secrets may come from the environment', () => {
    const webhooks = [{ url: 'https://app.example/hook', secret: { env: 'HOOK_SECRET' } }]
    const parsed = parseOptions({ ...GOOD, webhooks }, { environment: { ...environment, HOOK_SECRET: SIGNING_SECRET } })
    expect(parsed.webhooks).toMatchObject([{ url: 'https://app.example/hook' }])
    expect(parsed.webhooks[0]?.secret.reveal()).toBe(SIGNING_SECRET)
    expect(inspect(parsed)).not.toContain(SIGNING_SECRET)
  })

  it('reads the configuration of the documentation', () => {
    const parsed = parseOptions(GOOD, { environment, directory: '/srv/latchkey' })
    expect(parsed).toMatchObject({
      isLoopback: true,
      database: { kind: 'sqlite', path: '/srv/latchkey/latchkey.db' },
      clients: [{ clientId: 'app', displayName: 'app' }],
      connections: [
        { name: 'mail', displayName: 'mail', provider: 'acme-mail', auth: { type: 'oauth2', scopes: ['a'] } },
        { name: 'search', provider: 'search', auth: { type: 'api_key', header: 'X-Api-Key' } },
        { name: 'docs', auth: { type: 'none' } },
      ],
      configs: [
        {
          name: 'email-agent',
          mappings: [
            { connectionName: 'mail', tools: ['search_mail', 'read_mail'] },
            { connectionName: 'search', tools: undefined },
          ],
        },
      ],
    })
    expect(parsed.clients[0]?.clientSecret.reveal()).toBe('canary-secret')
  })

  it('shows no secret when it is printed', () => {
    const parsed = parseOptions(GOOD, { environment: { ...environment, LATCHKEY_SIGNING_KEYS: 'canary-keys' } })
    expect(inspect(parsed, { depth: 10 }) + JSON.stringify(parsed)).not.toContain('canary')
  })

  it('replaces references to the environment anywhere, and takes the keys from it unless they are given', () => {
    const parsed = parseOptions(
      {
        ...GOOD,
        database: { env: 'DB' },
        encryptionKeys: { env: 'MY_KEYS' },
        configs: { a: { mail: [{ env: 'TOOL' }] } },
      },
      {
        environment: {
          ...environment,
          DB: 'sqlite::memory:',
          MY_KEYS: 'mine',
          TOOL: 'read_mail',
          LATCHKEY_ENCRYPTION_KEYS: 'theirs',
          LATCHKEY_SIGNING_KEYS: 'theirs',
        },
      },
    )
    expect(parsed.database).toEqual({ kind: 'sqlite', path: ':memory:' })
    expect(parsed.configs[0]?.mappings[0]?.tools).toEqual(['read_mail'])
    expect(parsed.encryptionKeys?.reveal()).toBe('mine')
    expect(parsed.signingKeys?.reveal()).toBe('theirs')
  })

  it('names everything that is wrong at once, each with its key', () => {
    const wrong = {
      ...GOOD,
      publicURL: 'x',
      publicUrl: 'http://latchkey.example',
      connections: {
        mail: { mcpServerUrl: 'https://mail.example/mcp', auth: { type: 'oauth2', scope: ['a'], clientid: 'x' } },
        calendar: { mcpServerUrl: 'ftp://calendar.example', auth: { type: 'oauth' } },
        search: { auth: { type: 'api_key', header: 'Host' } },
        two__words: docs,
      },
      configs: { one: { mial: '*', mail: ['a', 'b', 'a'] }, two: {}, three: { mail: [] }, four: { mail: 'all' } },
    }
    expect(problems(wrong, {}).toSorted()).toEqual(
      [
        'publicURL: unknown key, did you mean "publicUrl"?',
        'publicUrl: must be https (http is for loopback addresses, such as http://127.0.0.1:8787)',
        'clients[0].clientSecret: the environment variable LATCHKEY_CLIENT_SECRET is not set',
        'connections.mail.auth.scope: unknown key, did you mean "scopes"?',
        'connections.mail.auth.clientid: unknown key, did you mean "clientId"?',
        'connections.calendar.mcpServerUrl: must be https (http is for loopback addresses)',
        'connections.calendar.auth.type: must be "oauth2", "api_key", "bearer", "basic" or "none"',
        'connections.search.mcpServerUrl: is missing',
        'connections.search.auth.header: is a header that cannot carry a key',
        'connections.two__words: is not a connection name: up to 32 of a-z, 0-9, "-" and "_", not two "_" in a row, not beginning with "-" or "_"',
        'configs.one.mial: there is no such connection, did you mean "mail"? (the known ones are mail, calendar, search, two__words)',
        'configs.one.mail[2]: repeats "a"',
        'configs.two: names no connection',
        'configs.three.mail: is empty: write "*" for all tools, or leave the connection out',
        'configs.four.mail: must be "*" or a list of tool names',
      ].toSorted(),
    )
  })

  it.each([
    ['nothing', undefined],
    ['null', null],
    ['a list', []],
    ['a text', 'publicUrl'],
  ])('refuses %s', (_, options) => {
    expect(problems(options)).toEqual([expect.stringContaining('the configuration: ')])
  })

  it.each([
    ['http to another machine', 'http://10.0.0.1:8787'],
    ['http to a name that begins like loopback', 'http://127.0.0.1.nip.io'],
    ['http to a name that begins like localhost', 'http://localhost.evil'],
    ['another scheme', 'ftp://latchkey.example'],
    ['no URL', 'latchkey.example'],
    ['a path', 'https://latchkey.example/latchkey'],
    ['a query', 'https://latchkey.example/?a'],
    ['credentials', 'https://user:canary@latchkey.example'],
  ])('T75: refuses a public URL with %s', (_, publicUrl) => {
    expect(problems({ ...GOOD, publicUrl })).toEqual([expect.stringMatching(/^publicUrl: (?!.*canary)/)])
  })

  it.each(['http://localhost:1', 'http://127.0.0.1:1', 'http://127.8.8.8:1', 'http://[::1]:1', 'https://l.example'])(
    'takes the public URL %s',
    (publicUrl) => {
      expect(problems({ ...GOOD, publicUrl, userVerification: 'off' })).toEqual([])
    },
  )

  it.each(['', '-mail', '_mail', 'Mail', 'a__b', 'a.b', 'a b', 'é', 'a'.repeat(33), 'env'])(
    'refuses the connection name %j',
    (name) => {
      expect(problems({ ...GOOD, configs: {}, connections: { [name]: docs } })).toHaveLength(1)
    },
  )

  it.each(['a', '0', 'a-b', 'a_b', 'a_', 'constructor', 'a'.repeat(32)])('takes the connection name %j', (name) => {
    const parsed = parseOptions(
      { ...GOOD, connections: { [name]: docs }, configs: { constructor: { [name]: '*' } } },
      { environment },
    )
    expect(parsed.connections.map((connection) => connection.name)).toEqual([name])
    expect(parsed.configs.map((config) => config.name)).toEqual(['constructor'])
  })

  it('refuses a key named __proto__ wherever it is, and leaves prototypes alone', () => {
    const options: unknown = JSON.parse('{"connections": {"__proto__": {"polluted": true}}}')
    expect(problems(options)).toContain('connections.__proto__: this key is not allowed')
    expect({}).not.toHaveProperty('polluted')
  })

  it.each([
    [
      'two clients of one id',
      { clients: [GOOD.clients[0], GOOD.clients[0]] },
      /^clients\[1\]\.clientId: repeats "app"$/,
    ],
    ['no client', { clients: [] }, /^clients: is empty/],
    [
      'a webhook over http',
      { webhooks: [{ url: 'http://app.example/', secret: SIGNING_SECRET }] },
      /^webhooks\[0\].url: must be https/,
    ],
    [
      'a short webhook secret',
      { webhooks: [{ url: 'https://a.example/', secret: 'whsec_canary' }] },
      /^webhooks\[0\].secret: must be "whsec_"/,
    ],
    [
      'a webhook twice',
      { webhooks: Array.from({ length: 2 }, () => ({ url: 'https://a.example/', secret: SIGNING_SECRET })) },
      /^webhooks\[1\].url: repeats another one$/,
    ],
    ['another database', { database: 'mysql://x' }, /^database: must be "sqlite:PATH"/],
    ['a database URL that is none', { database: 'postgres://u:canary@h:port/x' }, /^database: must be "sqlite:PATH"/],
    ['a log that is no function', { log: 'console' }, /^log: must be a function$/],
    [
      'a secret without a client',
      { configs: {}, connections: { mail: { ...docs, auth: { type: 'oauth2', clientSecret: 'x' } } } },
      /^connections\.mail\.auth\.clientId: is missing/,
    ],
    [
      'credentials in an upstream URL',
      { configs: {}, connections: { mail: { ...docs, mcpServerUrl: 'https://u:canary@mail.example' } } },
      /^connections\.mail\.mcpServerUrl: must not hold credentials$/,
    ],
  ])('refuses %s', (_, change, expected) => {
    expect(problems({ ...GOOD, ...change })).toEqual([expect.stringMatching(expected)])
  })
})
