import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import {
  consentAs,
  freePort,
  runCommand,
  type Stack,
  startCommand,
  startStack,
  type TemporaryFolder,
  temporaryFolder,
} from './fixtures/index.ts'

let stack: Stack
let temporary: TemporaryFolder
beforeAll(async () => {
  stack = await startStack({
    configs: { 'email-agent': { mail: ['search_mail', 'whoami'], directory: '*' }, reader: { directory: ['whoami'] } },
  })
  temporary = await temporaryFolder()
})
afterAll(async () => {
  await stack[Symbol.asyncDispose]()
  await temporary[Symbol.asyncDispose]()
})

const environment = () => ({
  LATCHKEY_URL: stack.gateway.url,
  LATCHKEY_CLIENT_ID: stack.gateway.clientId,
  LATCHKEY_CLIENT_SECRET: stack.gateway.clientSecret,
})
const options = () => ({ folder: temporary.path, env: { ...environment(), LATCHKEY_CONFIG: 'email-agent' } })
const run = async (...args: string[]) => await runCommand(args, options())
const start = (...args: string[]) => startCommand(args, options())

const linksSchema = z.object({
  type: z.literal('authorization_required'),
  connections: z.array(z.object({ connection: z.string(), authenticationLink: z.string() })),
})

describe('latchkey connect', () => {
  it('shows the links, waits until the user has used them, and ends with 0', async () => {
    await using command = start('connect', 'ann')
    await command.says('Waiting until that is done')
    await command.prints('directory (PENDING_AUTH)')
    expect(command.stdout().match(/http:\S+\/connect\/\S+/g)).toHaveLength(2)
    expect(command.stdout()).toMatch(/mail \(PENDING_AUTH\), until .*\n {2}http/)
    await stack.connectAll('ann')
    expect(await command.ended).toBe(0)
    expect(command.stdout()).toContain('User "ann" is connected, and the tools answer.')
  })

  it('prints a line of JSON with the links and one at the end with --json', async () => {
    await using command = start('connect', 'ben', '--json')
    await command.prints('\n')
    const { connections } = linksSchema.parse(JSON.parse(command.stdout()))
    for (const { authenticationLink } of connections) {
      await consentAs('ben', authenticationLink, { apiKey: stack.directory.keys.issue('ben') })
    }
    expect(await command.ended).toBe(0)
    const [, last = ''] = command.stdout().trimEnd().split('\n')
    expect(JSON.parse(last)).toEqual({ type: 'ready', user: 'ben', config: 'email-agent' })
  })

  it('ends with 3 and the links with --no-wait', async () => {
    const { exitCode, json } = await run('connect', 'cleo', '--no-wait', '--json', '--mcp-config', 'reader')
    expect(exitCode).toBe(3)
    expect(linksSchema.parse(json()).connections.map(({ connection }) => connection)).toEqual(['directory'])
  })

  it('ends with 3 when the user does not come in time', async () => {
    const { exitCode, stderr } = await run('connect', 'dan', '--timeout', '1')
    expect(exitCode).toBe(3)
    expect(stderr).toMatch(/^latchkey: .*"dan".*mail is PENDING_AUTH/m)
  })

  it('ends with 130 on Ctrl-C, and the links stay good', async () => {
    await using command = start('connect', 'eva', '--json')
    await command.says('Waiting until that is done')
    expect(await command.stop('SIGINT')).toBe(130)
    expect(command.stderr()).toContain('latchkey: Stopped.')
    const [first = ''] = command.stdout().split('\n')
    const [mail] = linksSchema.parse(JSON.parse(first)).connections
    await consentAs('eva', mail?.authenticationLink ?? '')
    const { json } = await run('status', 'eva', '--json')
    expect(json()).toMatchObject({
      connections: [{ connection: 'mail', status: 'ACTIVE' }, { status: 'PENDING_AUTH' }],
    })
  })
})

describe('latchkey status', () => {
  it('shows each connection with what to do, and ends with 3 while one is not ACTIVE', async () => {
    await stack.latchkey.ensureInstance('finn')
    const { exitCode, stdout } = await run('status', 'finn')
    expect(exitCode).toBe(3)
    expect(stdout.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      ['CONNECTION', 'STATUS', 'WHAT TO DO'],
      ['mail', 'PENDING_AUTH', 'the user has to open a link: latchkey connect'],
      ['directory', 'PENDING_AUTH', 'the user has to open a link: latchkey connect'],
      [''],
    ])
  })

  it('ends with 0 and says so with --json when all are ACTIVE', async () => {
    await stack.connectAll('gil')
    const { exitCode, json } = await run('status', 'gil', '--json')
    expect(exitCode).toBe(0)
    expect(json()).toMatchObject({ user: 'gil', config: 'email-agent', ready: true })
  })

  it('follows the changes with --watch until all are ACTIVE', async () => {
    await stack.latchkey.ensureInstance('hal')
    await using command = start('status', 'hal', '--watch', '--json')
    await command.prints('\n')
    await stack.connectAll('hal')
    expect(await command.ended).toBe(0)
    const lines = command.stdout().trimEnd().split('\n')
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ ready: false })
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ ready: true })
  })

  it('ends with 4 and makes nothing for a user whom nobody knows', async () => {
    const { exitCode, stderr, json } = await run('status', 'iris', '--json')
    expect(exitCode).toBe(4)
    expect(stderr).toBe(
      'latchkey: User "iris" has no MCP instance of the config "email-agent". Check the spelling, or make one: latchkey connect iris\n',
    )
    expect(json()).toMatchObject({ error: { code: 'unknown_user' } })
    expect((await run('status', 'iris')).exitCode).toBe(4)
  })
})

describe('latchkey tools', () => {
  it("lists the user's tools", async () => {
    await stack.connectAll('jo')
    const { exitCode, stdout } = await run('tools', 'jo')
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/^TOOL +WHAT IT DOES\nmail__search_mail +\S.*\n(.*\n)*4 tools\n$/)
  })

  it('gives their schemas, and what was left out, with --json', async () => {
    await stack.connectAll('kay')
    stack.directory.faults.failNext({ user: 'kay', method: 'tools/list', times: 20 })
    const { json } = await run('tools', 'kay', '--json')
    expect(json()).toMatchObject({
      tools: [{ name: 'mail__search_mail', inputSchema: { type: 'object' } }, { name: 'mail__whoami' }],
      report: { unavailable: [{ connection: 'directory', reason: 'unreachable' }] },
    })
  })

  it('ends with 3 and says what to do when the user has something to connect', async () => {
    const { exitCode, stdout, stderr } = await run('tools', 'lea')
    expect([exitCode, stdout]).toEqual([3, ''])
    expect(stderr).toMatch(
      /^latchkey: User "lea" has something to connect first: mail is PENDING_AUTH, .*latchkey connect lea\n$/,
    )
  })
})

describe('latchkey call', () => {
  beforeAll(async () => await stack.connectAll('max'))

  it("prints the tool's words", async () => {
    const { exitCode, stdout } = await run('call', 'max', 'directory__find_person', '{"name": "Dana"}')
    expect(exitCode).toBe(0)
    expect(stdout).toContain('dana@acme.example')
  })

  it('prints the whole result with --json', async () => {
    const { json } = await run('call', 'max', 'directory__find_person', '{"name": "Dana"}', '--json')
    expect(json()).toMatchObject({ structuredContent: { email: 'dana@acme.example' } })
  })

  it('calls once, and ends with 1 when the tool says that it failed', async () => {
    const before = stack.directory.calls.count('max', 'find_person')
    const { exitCode, stdout, stderr } = await run('call', 'max', 'directory__find_person', '{"name": "Nobody"}')
    expect([exitCode, stdout]).toEqual([1, 'Nobody here is called "Nobody"\n'])
    expect(stderr).toBe('latchkey: the tool directory__find_person answered with an error.\n')
    expect(stack.directory.calls.count('max', 'find_person')).toBe(before + 1)
  })

  it('ends with 4 and a suggestion for a tool that the user does not have', async () => {
    const { exitCode, stderr } = await run('call', 'max', 'find_person')
    expect(exitCode).toBe(4)
    expect(stderr).toBe('latchkey: User "max" has no tool "find_person". Did you mean directory__find_person?\n')
  })

  it('ends with 2 for arguments that are no JSON object', async () => {
    expect((await run('call', 'max', 'directory__whoami', '[1]')).exitCode).toBe(2)
  })
})

describe('latchkey url', () => {
  it('prints nothing but the URL on standard output, and a warning beside it', async () => {
    const { exitCode, stdout, stderr } = await run('url', 'nora')
    expect(exitCode).toBe(0)
    expect(stdout).toBe(`${await stack.latchkey.mcpUrl('nora')}\n`)
    expect(stderr).toMatch(/^Whoever has this URL has the tools of user "nora"\./)
  })

  it('prints it in JSON with --json', async () => {
    const { json } = await run('url', 'nora', '--json', '-m', 'reader')
    const url = await stack.latchkey.mcpUrl('nora', { config: 'reader' })
    expect(json()).toEqual({ user: 'nora', config: 'reader', url })
  })

  it('prints the file of an MCP client that is asked for, and ends with 2 for one that is not known', async () => {
    const { stdout } = await run('url', 'nora', '-m', 'reader', '--client', 'vscode')
    expect(JSON.parse(stdout)).toEqual(await stack.latchkey.mcpServer('nora', 'vscode', { config: 'reader' }))
    expect((await run('url', 'nora', '--client', 'nosuch')).exitCode).toBe(2)
  })
})

describe('latchkey rotate', () => {
  it('gives another URL without printing it, and the old one is dead', async () => {
    const old = await stack.latchkey.mcpUrl('olaf')
    const { exitCode, stdout } = await run('rotate', 'olaf', '--yes')
    expect([exitCode, stdout]).toEqual([
      0,
      'The old MCP URL of user "olaf" and the MCP config "email-agent" is dead. The new one: latchkey url olaf\n',
    ])
    expect(await stack.latchkey.mcpUrl('olaf')).not.toBe(old)
    expect((await fetch(old, { method: 'POST' })).status).toBe(404)
  })

  it('says so in JSON with --json', async () => {
    const { id } = await stack.latchkey.ensureInstance('pia')
    expect((await run('rotate', 'pia', '--yes', '--json')).json()).toEqual({
      user: 'pia',
      config: 'email-agent',
      instanceId: id,
      rotated: true,
    })
  })

  it('does nothing where nobody can be asked and --yes is missing', async () => {
    const url = await stack.latchkey.mcpUrl('quin')
    const { exitCode, stderr } = await run('rotate', 'quin')
    expect(exitCode).toBe(2)
    expect(stderr).toContain('give --yes if that is meant')
    expect(await stack.latchkey.mcpUrl('quin')).toBe(url)
  })
})

describe('latchkey revoke', () => {
  it('ends everything of the user, and prints what was done', async () => {
    await stack.connectAll('rosa')
    const { exitCode, stdout } = await run('revoke', 'rosa', '--yes')
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/^User "rosa" was revoked on /)
    expect(stdout).toContain('1 MCP instance deleted, with their URLs')
    expect(stdout).toMatch(/^ {2}mail +revoked at the provider too$/m)
    expect((await run('status', 'rosa')).exitCode).toBe(4)
  })

  it('gives the receipt with --json', async () => {
    await stack.connectAll('sam')
    expect((await run('revoke', 'sam', '--yes', '--json')).json()).toMatchObject({
      userIdentifier: 'sam',
      instancesDeleted: 1,
      connectedAccounts: expect.arrayContaining([
        expect.objectContaining({ connectionName: 'mail', upstreamRevocation: 'revoked' }),
        expect.objectContaining({ connectionName: 'directory', upstreamRevocation: 'not_applicable' }),
      ]),
    })
  })
})

async function write(configs: object): Promise<void> {
  const file = {
    publicUrl: stack.gateway.url,
    clients: [{ clientId: 'a', clientSecret: 'b' }],
    connections: {
      mail: { mcpServerUrl: stack.mail.url, auth: { type: 'oauth2' } },
      directory: { mcpServerUrl: stack.directory.url, auth: { type: 'none' } },
    },
    configs,
  }
  await writeFile(join(temporary.path, 'latchkey.config.json'), JSON.stringify(file))
}

describe('latchkey config apply', () => {
  it('prints what would change, and changes nothing, with --dry-run', async () => {
    await write({ fresh: { mail: '*' }, reader: { directory: ['find_person'] } })
    const { exitCode, stdout } = await run('config', 'apply', '--dry-run')
    expect(exitCode).toBe(0)
    expect(stdout).toContain('+ fresh\n    mail: all tools\n~ reader\n    directory: +find_person -whoami\n')
    expect(stdout).toContain('email-agent\nNothing was changed (--dry-run); 2 of 2 would be.\n')
    expect((await run('url', 'tim', '-m', 'fresh')).exitCode).toBe(4)
  })

  it('makes and changes the configs of the running gateway', async () => {
    await write({
      applied: { toolNames: 'prefixed', mail: ['whoami'] },
      reader: { directory: ['whoami', 'find_person'] },
    })
    expect((await run('config', 'apply', '--json')).json()).toEqual({
      applied: true,
      configs: [
        { name: 'applied', change: 'create', differences: ['mail: whoami'] },
        { name: 'reader', change: 'change', differences: ['directory: +find_person'] },
      ],
      untouched: ['email-agent'],
    })
    const { stdout } = await run('config', 'apply')
    expect(stdout).toMatch(/^= applied\n= reader\n.*\n0 of 2 changed\.\n$/s)
    expect((await run('url', 'tim', '-m', 'applied')).exitCode).toBe(0)
    await write({ applied: { toolNames: 'plain', mail: ['whoami'] } })
    expect((await run('config', 'apply')).stdout).toMatch(/^~ applied\n {4}tool names: plain\n/)
  })
})

describe('latchkey', () => {
  it('asks which MCP config is meant when there are several', async () => {
    const { exitCode, stderr } = await runCommand(['url', 'uma'], { folder: temporary.path, env: environment() })
    expect(exitCode).toBe(2)
    expect(stderr).toMatch(
      /^latchkey: Which MCP config\? Name it with --mcp-config or LATCHKEY_CONFIG: .*email-agent, .*reader\.\n$/,
    )
  })

  it('ends with 4 for a config that there is not', async () => {
    const { exitCode, stderr } = await run('url', 'uma', '-m', 'nosuch')
    expect(exitCode).toBe(4)
    expect(stderr).toMatch(/^latchkey: No MCP config is named "nosuch"; known: /)
  })

  it('ends with 5 when the gateway cannot be reached, and with 6 when it refuses the client', async () => {
    const url = `http://127.0.0.1:${await freePort()}`
    expect((await run('tools', 'vic', '--url', url)).exitCode).toBe(5)
    const refused = await run('tools', 'vic', '--client-id', 'somebody', '--json')
    expect(refused.exitCode).toBe(6)
    expect(refused.json()).toMatchObject({ error: { code: 'unauthorized' } })
  })

  it('ends with 2 when it does not know which gateway', async () => {
    const { exitCode, stderr } = await runCommand(['tools', 'vic'], { folder: temporary.path })
    expect([exitCode, stderr]).toEqual([2, "latchkey: It needs the gateway's address: set --url or LATCHKEY_URL.\n"])
  })

  it('shows no secret in what it prints but the URL and the links', async () => {
    await stack.connectAll('wes')
    const url = await stack.latchkey.mcpUrl('wes')
    const secrets = [
      stack.gateway.clientSecret,
      new URL(url).pathname.split('/').at(-1) ?? '',
      ...stack.authorizationServer.issuedTokens,
    ]
    for (const args of [
      ['status', 'wes'],
      ['tools', 'wes'],
      ['doctor', 'wes'],
      ['rotate', 'wes', '--yes'],
      ['revoke', 'wes', '--yes'],
    ]) {
      for (const more of [[], ['--json']]) {
        const { stdout, stderr } = await run(...args, ...more)
        for (const secret of secrets) expect(stdout + stderr).not.toContain(secret)
      }
    }
  })

  it.each(['bash', 'zsh', 'fish', 'powershell'])('prints a completion script for %s', async (shell) => {
    const { exitCode, stdout } = await run('complete', shell)
    expect(exitCode).toBe(0)
    expect(stdout).toContain('latchkey')
  })

  it('completes commands and options', async () => {
    expect((await run('complete', '--', 'key')).stdout).toMatch(/^keys\t/)
    expect((await run('complete', '--', 'status', '--')).stdout).toMatch(/^--watch\t/m)
  })
})
