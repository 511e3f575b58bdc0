import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { parseConnection, parseOptions } from '../../src/config/parseOptions.ts'
import { GatewayError } from '../../src/errors.ts'

const CANARY = 'canary-7f21'
const NONE = { type: 'none' }
const PROGRAM = { command: 'npx', args: ['-y', 'a-server'], auth: NONE }

function parse(connection: object, options: object = {}) {
  const given = {
    publicUrl: 'http://127.0.0.1:8787',
    clients: [{ clientId: 'app', clientSecret: 's' }],
    connections: { files: connection },
    ...options,
  }
  return parseOptions(given, { environment: { FROM_OUTSIDE: CANARY }, directory: '/etc/latchkey' }).connections[0]
}

function problemOf(connection: object, options?: object): string {
  try {
    parse(connection, options)
  } catch (error) {
    if (error instanceof GatewayError) return error.message
  }
  throw new Error('it was taken')
}

function address(changes: object): string | undefined {
  return parse({ ...PROGRAM, ...changes })?.mcpServerUrl
}

describe('parseOptions: an upstream that is a program', () => {
  it('takes what MCP clients know as an entry of mcpServers, with the ways to give it a credential', () => {
    const env = { API_URL: 'https://api.example', SHARED: { env: 'FROM_OUTSIDE' } }
    const parsed = parse({ ...PROGRAM, env, cwd: 'servers', auth: { type: 'bearer', variable: 'GITHUB_TOKEN' } })
    expect(parsed).toMatchObject({
      name: 'files',
      auth: { type: 'bearer', variable: 'GITHUB_TOKEN' },
      program: { command: 'npx', args: ['-y', 'a-server'], cwd: '/etc/latchkey/servers' },
    })
    expect(parsed?.program?.env['SHARED']?.reveal()).toBe(CANARY)
    expect(inspect(parsed, { depth: 9 })).not.toContain(CANARY)
  })

  it.each([
    [NONE],
    [{ type: 'bearer', variable: 'TOKEN' }],
    [{ type: 'basic', usernameVariable: 'LOGIN', passwordVariable: 'PASSWORD' }],
    [{ type: 'api_key', variable: 'API_KEY' }],
    [{ type: 'api_key', variable: 'NODE_AUTH_TOKEN' }],
    [{ type: 'api_key', variable: 'GIT_TOKEN' }],
    [{ type: 'api_key', fields: [{ name: 'key', label: 'Key', secret: true, variable: 'KEY' }] }],
  ])('takes %j', (auth) => expect(parse({ ...PROGRAM, auth })?.auth).toEqual(auth))

  it('starts it in the folder of the configuration unless told otherwise', () => {
    expect(parse(PROGRAM)?.program?.cwd).toBe('/etc/latchkey')
    expect(parse({ ...PROGRAM, cwd: '/srv' })?.program?.cwd).toBe('/srv')
  })

  it('gives it an address that changes with what is started, so that no credential goes to another program', () => {
    const same = address({})
    expect(address({ env: { A: '1' } })).toBe(same)
    const others = [{ command: 'node' }, { args: ['-y a-server'] }, { cwd: '/srv' }].map(address)
    expect(new Set([same, ...others]).size).toBe(4)
  })

  it.each<readonly [object, string]>([
    [{ auth: NONE }, 'mcpServerUrl: is missing'],
    [{ ...PROGRAM, mcpServerUrl: 'https://mail.example/mcp' }, 'mcpServerUrl: is there beside a command'],
    [{ ...PROGRAM, preset: 'github' }, 'preset: is there beside a command'],
    [{ ...PROGRAM, command: '' }, 'command: is empty'],
    [{ ...PROGRAM, command: ['npx'] }, 'command: must be a text'],
    [{ ...PROGRAM, args: '-y' }, 'args: must be a list of texts'],
    [{ ...PROGRAM, args: ['\0'] }, 'args[0]: has a character that no program takes'],
    [{ ...PROGRAM, env: { 'A=B': 'x' } }, 'env.A=B: is not the name of an environment variable'],
    [{ ...PROGRAM, auth: { type: 'oauth2' } }, 'auth.type: cannot be "oauth2" for a program'],
    [{ ...PROGRAM, auth: { type: 'bearer' } }, 'auth.variable: is missing'],
    [{ ...PROGRAM, auth: { type: 'basic', usernameVariable: 'A' } }, 'auth.passwordVariable: is missing'],
    [
      { ...PROGRAM, auth: { type: 'basic', usernameVariable: 'A', passwordVariable: 'A' } },
      'auth.passwordVariable: repeats another one',
    ],
    [{ ...PROGRAM, auth: { type: 'api_key', header: 'X-Key' } }, 'auth.header: is for servers at a URL'],
    [{ ...PROGRAM, auth: { type: 'api_key', variable: 'A', query: 'a' } }, 'auth.query: is for servers at a URL'],
    [{ ...PROGRAM, auth: { type: 'api_key', variable: 'A', prefix: 'a' } }, 'auth.prefix: is for headers only'],
    [{ ...PROGRAM, auth: { type: 'api_key', variable: 'NODE_OPTIONS' } }, 'auth.variable: is a variable that decides'],
    [{ ...PROGRAM, auth: { type: 'api_key', variable: 'LD_PRELOAD' } }, 'auth.variable: is a variable that decides'],
    [{ ...PROGRAM, env: { A: 'x' }, auth: { type: 'api_key', variable: 'A' } }, 'auth.variable: is set in env too'],
    [{ mcpServerUrl: 'https://a.example/mcp', args: [], auth: NONE }, 'args: is for programs'],
    [
      { mcpServerUrl: 'https://a.example/mcp', auth: { type: 'bearer', variable: 'A' } },
      'auth.variable: is for programs',
    ],
  ])('refuses %j', (connection, message) => expect(problemOf(connection)).toContain(`connections.files.${message}`))

  it('refuses it on a public URL, and says why', () => {
    const inPublic = { publicUrl: 'https://latchkey.example', userVerification: 'off' }
    expect(problemOf(PROGRAM, inPublic)).toContain(
      'connections.files.command: programs are for development on a loopback publicUrl only',
    )
  })
})

describe('parseConnection', () => {
  it('takes no program: what comes over the API, or lies in the database, starts nothing', () => {
    expect(() => parseConnection('files', PROGRAM)).toThrow('command: no program is named over the API')
  })
})
