import { createLatchkey } from '@latchkey/core'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import {
  consentAs,
  freePort,
  runCommand,
  startCommand,
  startServe,
  type TemporaryFolder,
  temporaryFolder,
} from './fixtures/index.ts'

let temporary: TemporaryFolder
let folder: string
beforeEach(async () => {
  temporary = await temporaryFolder()
  folder = temporary.path
})
afterEach(async () => await temporary[Symbol.asyncDispose]())

const SECRET = 'the-secret-of-the-app'
const env = { LATCHKEY_CLIENT_SECRET: SECRET }
const run = async (args: readonly string[], variables: Readonly<Record<string, string>> = env) =>
  await runCommand(args, { folder, env: variables })
const options = (more: object = {}) => ({
  database: 'sqlite:./latchkey.db',
  clients: [{ clientId: 'app', clientSecret: { env: 'LATCHKEY_CLIENT_SECRET' } }],
  connections: { docs: { mcpServerUrl: 'https://docs.example/mcp', auth: { type: 'none' } } },
  configs: { reader: { docs: '*' } },
  ...more,
})
const key = (byte: number) => Buffer.alloc(32, byte).toString('base64url')

async function write(config: object): Promise<void> {
  const file = { publicUrl: 'http://127.0.0.1:8787', ...config }
  await writeFile(join(folder, 'latchkey.config.json'), JSON.stringify(file))
}

describe('latchkey config validate', () => {
  it('tells what a valid file says, without starting anything', async () => {
    await write(options())
    const { exitCode, stdout } = await run(['config', 'validate'])
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/^latchkey\.config\.json is valid\.\n {2}served at +http:\/\/127\.0\.0\.1:8787\n/)
    expect(stdout).toMatch(/^ {2}connections +docs$/m)
    await expect(stat(join(folder, 'latchkey.db'))).rejects.toThrow('ENOENT')
  })

  it('gives it as JSON, without secrets, with --json', async () => {
    await write(options())
    const { stdout, json } = await run(['config', 'validate', 'latchkey.config.json', '--json'])
    expect(json()).toMatchObject({ valid: true, connections: [{ name: 'docs', auth: 'none' }], clients: ['app'] })
    expect(stdout).not.toContain(SECRET)
  })

  it('ends with 1 and lists everything that is wrong', async () => {
    await write(options({ conections: {}, configs: { reader: { dogs: '*' } } }))
    const { exitCode, stderr } = await run(['config', 'validate'])
    expect(exitCode).toBe(1)
    expect(stderr).toContain('conections: unknown key, did you mean "connections"?')
    expect(stderr).toContain('configs.reader.dogs: there is no such connection, did you mean "docs"?')
  })
})

describe('latchkey keys', () => {
  it('rotates the key file of a gateway that made its own keys, and shows what there is', async () => {
    await (await startServe(() => options(), { folder, env })).stop()
    const { exitCode, stdout } = await run(['keys', 'rotate'])
    expect([exitCode, stdout]).toEqual([
      0,
      'The new encryption key "k2" is in the key file beside the database. Start the gateway again.\n',
    ])
    const status = await run(['keys', 'status'])
    expect(status.stdout.split('\n').map((line) => line.split(/ {2,}/).slice(0, 3))).toEqual([
      ['RING', 'KEY', 'STATE'],
      ['encryption', 'k1', 'old'],
      ['encryption', 'k2', 'current'],
      ['signing', 'k1', 'current'],
      [''],
    ])
    const second = await startServe(() => options(), { folder, env })
    expect(await second.stop()).toBe(0)
  })

  it('prints the two texts for the configuration, and changes nothing, where the keys are kept there', async () => {
    const keys = { encryptionKeys: `k1:${key(1)}`, signingKeys: `k1:${key(2)}` }
    await (await startServe(() => options(keys), { folder, env })).stop()
    const { json } = await run(['keys', 'rotate', 'signing', '--json'])
    const rotated = z
      .object({ kind: z.string(), keyId: z.string(), variable: z.string(), announced: z.string(), current: z.string() })
      .parse(json())
    expect(rotated).toMatchObject({ kind: 'configuration', keyId: 'k2', variable: 'LATCHKEY_SIGNING_KEYS' })
    expect(rotated.announced).toMatch(new RegExp(`^k1:${key(2)},k2:`))
    expect(rotated.current).toMatch(new RegExp(`^k2:[\\w-]{43},k1:${key(2)}$`))
    const { stdout, stderr } = await run(['keys', 'rotate', 'signing'])
    expect(stdout).toMatch(/LATCHKEY_SIGNING_KEYS=k1:.*,k2:.*LATCHKEY_SIGNING_KEYS=k2:/s)
    expect(stderr).toContain('What follows are your keys.')
    expect((await run(['keys', 'status', '--json'])).json()).toMatchObject({
      keys: [{ keyId: 'k1', state: 'current', values: 0 }, { keyId: 'k1' }],
    })
  })

  it('retires an old signing key: its URLs are replaced, and the audit log names the command', async () => {
    const first = { encryptionKeys: `k1:${key(1)}`, signingKeys: `k1:${key(2)}` }
    const both = { ...first, signingKeys: `k2:${key(3)},k1:${key(2)}` }
    const port = await freePort()
    const before = await startServe(() => options(first), { folder, env, port })
    const access = { url: before.url, clientId: 'app', clientSecret: SECRET, config: 'reader' }
    await using app = createLatchkey(access)
    const old = await app.mcpUrl('ann')
    await before.stop()
    await using after = await startServe(() => options(both), { folder, env, port })
    expect(await app.mcpUrl('ann')).toBe(old)

    const { exitCode, json } = await run(['keys', 'retire', 'k1', '--yes', '--json'])
    expect([exitCode, json()]).toEqual([0, { ring: 'signing', keyId: 'k1', urlsReplaced: 1 }])
    expect(await app.mcpUrl('ann')).not.toBe(old)
    // The gateway, another process on SQLite, finds out at its next look.
    await expect.poll(async () => (await fetch(old, { method: 'POST' })).status, { timeout: 20_000 }).toBe(404)
    const again = await run(['keys', 'retire', 'k2', '--yes'])
    expect([again.exitCode, again.stderr]).toEqual([
      1,
      'latchkey: "k2" is the current signing key. Put a new one before it first.\n',
    ])
    expect(await auditOf(after.url)).toContainEqual(expect.objectContaining({ actor: 'cli', action: 'keys.retired' }))
  })

  it('ends with 1 where there is no database yet', async () => {
    await writeFile(
      join(folder, 'latchkey.config.json'),
      JSON.stringify({ publicUrl: 'http://127.0.0.1:8787', ...options() }),
    )
    const { exitCode, stderr } = await run(['keys', 'status'])
    expect(exitCode).toBe(1)
    expect(stderr).toMatch(/^latchkey: There is no database at .*latchkey\.db\. Has the gateway been started\?\n$/)
  })
})

describe('latchkey dev', () => {
  it('starts a gateway with everything made up, prints what to paste, and leads to tools', async () => {
    const port = await freePort()
    await using gateway = startCommand(['dev', '--port', String(port)], { folder })
    await gateway.prints('await getUserTools')
    const kept = parseEnv(await readFile(join(folder, '.latchkey/env'), 'utf8'))
    for (const [name, value] of Object.entries(kept)) expect(gateway.stdout()).toContain(`export ${name}=${value}`)
    expect((await stat(join(folder, '.latchkey/env'))).mode & 0o777).toBe(0o600)
    expect(await readFile(join(folder, '.latchkey/.gitignore'), 'utf8')).toBe('*\n')

    const envFile = ['--env-file', '.latchkey/env']
    const { stdout } = await run(['connect', 'ann', '--no-wait', ...envFile], {})
    await consentAs('ann', /http:\S+/.exec(stdout)?.[0] ?? '', { apiKey: 'anything' })
    const call = await run(['call', 'ann', 'say_hello', '{"name": "Ann"}', ...envFile], {})
    expect([call.exitCode, call.stdout]).toEqual([0, 'Hello, Ann!\n'])
    expect((await run(['doctor', 'ann', ...envFile], {})).exitCode).toBe(0)
    expect(await gateway.stop('SIGINT')).toBe(0)
    expect(gateway.stdout() + gateway.stderr()).not.toContain('lklink_')
  })

  it('keeps its secret and its configuration for the next time', async () => {
    const port = await freePort()
    const started = async () => {
      await using gateway = startCommand(['dev', '--port', String(port)], { folder })
      await gateway.prints('await getUserTools')
      await gateway.stop('SIGINT')
      return gateway.stdout()
    }
    expect(await started()).toBe(await started())
  })

  it('refuses a public URL that is not on this machine', async () => {
    await writeFile(
      join(folder, 'public.json'),
      JSON.stringify({ publicUrl: 'https://gateway.example', userVerification: 'off', ...options() }),
    )
    const { exitCode, stderr } = await run(['dev', '--config', 'public.json'])
    expect(exitCode).toBe(2)
    expect(stderr).toContain('dev is for a loopback publicUrl')
  })
})

async function auditOf(url: string): Promise<unknown[]> {
  const body = new URLSearchParams({ grant_type: 'client_credentials', client_id: 'app', client_secret: SECRET })
  const token = await (await fetch(`${url}/oauth/token`, { method: 'POST', body })).json()
  const { access_token: accessToken } = z.object({ access_token: z.string() }).parse(token)
  const answer = await fetch(`${url}/api/v1/audit_log?actor=cli`, {
    headers: { authorization: `Bearer ${accessToken}` },
  })
  return z.object({ entries: z.array(z.unknown()) }).parse(await answer.json()).entries
}
