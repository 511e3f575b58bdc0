import { execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { cp, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import * as z from 'zod'
import { consentAs, startDirectoryServer, temporaryFolder, type TemporaryFolder } from './fixtures/index.ts'
import { installPacked, type PackedPackage } from './packed/installPacked.ts'

const PACKAGES = fileURLToPath(new URL('../../packages/', import.meta.url))
const PROGRAM = fileURLToPath(new URL('./packed/program.ts', import.meta.url))
/** The Node that runs what is packed: the continuous integration names the oldest one that the packages promise. */
const NODE = process.env['LATCHKEY_PACKED_NODE'] ?? process.execPath

/** What a source file `x.ts` is in a tarball. */
const MADE_OF = [
  ['src', '.ts'],
  ['dist', '.js'],
  ['dist', '.js.map'],
  ['dist', '.d.ts'],
  ['dist', '.d.ts.map'],
] as const

const PACKAGE_NAMES = await readdir(PACKAGES)

/** What a reader of the packages may count on. Adding a name is making API; so is taking one away. */
const EXPORTS: Readonly<Record<string, readonly string[]>> = {
  '@latchkey/core': [
    'ConnectionState',
    'LatchkeyError',
    'adaptTools',
    'agentTools',
    'authorizationRequest',
    'callAgentTool',
    'composio',
    'createLatchkey',
    'createUserVerification',
    'isAuthorizationRequired',
    'latchkeyGateway',
    'needsApproval',
    'resultParts',
    'scalekit',
    'schemaProfileFor',
    'sharedLatchkey',
    'sharedLatchkeyOf',
    'staticBackend',
    'systemTiming',
    'tellAuthorizationRequired',
    'toolError',
    'userIdOf',
    'warnOfMissingTools',
  ],
  '@latchkey/core/testing': ['ManualTiming', 'backendContract', 'createScriptedBackend'],
  '@latchkey/core/wire': [
    'AUTHORIZE_INPUT_KEY_PREFIX',
    'CONNECTED_ACCOUNT_STATUSES',
    'STATUS_EVENT_TYPE',
    'UNAVAILABLE_META_KEY',
    'UPSTREAM_REVOCATIONS',
    'accessTokenResponseSchema',
    'approveToolsRequestSchema',
    'auditEntrySchema',
    'auditLogSchema',
    'authStateSchema',
    'configListSchema',
    'configRequestSchema',
    'configSchema',
    'configUpdateSchema',
    'connectedAccountListSchema',
    'connectedAccountSchema',
    'connectedAccountsRequestSchema',
    'connectedAccountsSchema',
    'connectionAuthStateSchema',
    'connectionListSchema',
    'connectionRequestSchema',
    'connectionSchema',
    'connectionToolMappingSchema',
    'connectionUpdateSchema',
    'createdWebhookSchema',
    'decidedToolsSchema',
    'deleteAccountRequestSchema',
    'diagnosticsSchema',
    'ensureInstanceRequestSchema',
    'ensuredInstanceSchema',
    'errorBodySchema',
    'getAuthStateRequestSchema',
    'instanceListSchema',
    'instanceSchema',
    'instanceUpdateSchema',
    'magicLinkRequestSchema',
    'magicLinkSchema',
    'pinnedToolListSchema',
    'pinnedToolSchema',
    'quarantineToolsRequestSchema',
    'replayWebhookRequestSchema',
    'replayedWebhookSchema',
    'revokeUserRequestSchema',
    'revokedAccountSchema',
    'rotateWebhookSecretRequestSchema',
    'sessionTokenRequestSchema',
    'sessionTokenSchema',
    'statusEventSchema',
    'toolDefinitionSchema',
    'userIdentifierSchema',
    'userRevocationSchema',
    'verifiedUserSchema',
    'verifyUserRequestSchema',
    'webhookDeliveryListSchema',
    'webhookDeliverySchema',
    'webhookListSchema',
    'webhookRequestSchema',
    'webhookSchema',
    'webhookSecretSchema',
    'webhookUpdateSchema',
  ],
  '@latchkey/gateway': ['GatewayError', 'createGateway'],
  '@latchkey/langchain': ['LatchkeyError', 'createLatchkey', 'createUserTools', 'getUserTools', 'userToolsMiddleware'],
  '@latchkey/mastra': ['LatchkeyError', 'createLatchkey', 'createUserTools', 'getUserTools', 'requestUserTools'],
  '@latchkey/openai-agents': [
    'LatchkeyError',
    'authorizationOf',
    'createLatchkey',
    'createUserTools',
    'getUserTools',
    'toolOutcome',
    'withUserTools',
  ],
  '@latchkey/vercel-ai': [
    'LatchkeyError',
    'authorizationAsApproval',
    'authorizationParts',
    'callAgain',
    'createLatchkey',
    'createUserTools',
    'getUserTools',
    'pendingAuthorization',
    'refreshTools',
    'stopOnAuthorization',
  ],
}

describe('the packed packages', () => {
  let folder: TemporaryFolder
  let packages: readonly PackedPackage[]

  beforeAll(async () => {
    folder = await temporaryFolder()
    packages = await installPacked(folder.path)
    await writeFile(join(folder.path, 'package.json'), '{ "type": "module" }')
  })
  afterAll(async () => await folder[Symbol.asyncDispose]())

  const packed = (folderName: string): PackedPackage => {
    const found = packages.find((candidate) => candidate.folderName === folderName)
    if (found === undefined) throw new Error(`${folderName} has not been packed.`)
    return found
  }

  /** Runs a module in the folder, as a program that has the packages installed, and gives what it prints. */
  async function run(...args: readonly string[]): Promise<string> {
    const { stdout, stderr } = await promisify(execFile)(NODE, args, { cwd: folder.path, env: {} })
    expect(stderr).toBe('')
    return stdout
  }

  it.each(PACKAGE_NAMES)('hold the sources of %s, what they compile to, and nothing else', async (name) => {
    const sources = (await readdir(join(PACKAGES, name, 'src'), { recursive: true }))
      .filter((file) => file.endsWith('.ts'))
      .map((file) => file.slice(0, -'.ts'.length))
    const expected = sources.flatMap((stem) => MADE_OF.map(([where, ending]) => `${where}/${stem}${ending}`))
    const { files, manifest } = packed(name)
    const commands = Object.values(manifest.bin).map((file) => file.slice('./'.length))
    const about = new Set(['LICENSE', 'package.json', 'README.md', ...commands])
    expect(files.filter((file) => !about.has(file)).toSorted()).toEqual(expected.toSorted())
    expect(files).toEqual(expect.arrayContaining(['LICENSE', 'package.json', 'README.md']))
  })

  it.each(PACKAGE_NAMES)('name for %s the versions that it depends on', (name) => {
    const { dependencies, peerDependencies } = packed(name).manifest
    for (const range of Object.values({ ...dependencies, ...peerDependencies })) expect(range).toMatch(/^\^?\d/)
  })

  it.each(PACKAGE_NAMES)('give of %s every public export, from the compiled files', async (name) => {
    const { manifest, path } = packed(name)
    const subpaths = Object.keys(manifest.exports).filter((subpath) => subpath !== './package.json')
    for (const subpath of subpaths) {
      const specifier = `${manifest.name}${subpath.slice(1)}`
      const script = `const file = import.meta.resolve('${specifier}'); const all = await import('${specifier}')
        console.log(JSON.stringify({ file, names: Object.keys(all).toSorted() }))`
      const { file, names } = JSON.parse(await run('--no-warnings', '--input-type=module', '--eval', script))
      expect(file).toContain(pathToFileURL(join(path, 'dist')).href)
      expect(names).toEqual(EXPORTS[specifier])
    }
  })

  it('run the command', async () => {
    const { path, manifest } = packed('gateway')
    const command = join(path, manifest.bin['latchkey'] ?? '')
    expect(await run(command, '--version')).toBe(`${manifest.version}\n`)
    expect(await run(command, 'serve', '--help')).toContain('--config <file>')
  })

  it("give a user's tools from a gateway of their own, in every framework", async () => {
    await using directory = await startDirectoryServer()
    await cp(PROGRAM, join(folder.path, 'program.ts'))
    const program = fork('program.ts', [directory.url], {
      cwd: folder.path,
      env: {},
      execPath: NODE,
      execArgv: ['--no-warnings'],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    onTestFinished(() => void program.kill())
    const { stdout, stderr } = program
    if (stdout === null || stderr === null) throw new Error('The program has no output.')
    const ended = Promise.all([text(stdout), text(stderr), once(program, 'exit').then(([code]) => code)])
    const messages: unknown[] = []
    const consented = Promise.withResolvers<unknown>()
    program.on('message', (message) => {
      messages.push(message)
      const link = linksSchema.safeParse(message).data?.links[0]
      if (link !== undefined) consented.resolve(consentAs('ann', link, { apiKey: directory.keys.issue('ann') }))
    })

    // Whichever is first tells what went wrong: the consent fails, or the program ends without having asked for it.
    await Promise.race([consented.promise, ended])
    expect(await ended).toEqual(['', '', 0])
    expect(messages.at(-1)).toMatchObject({
      langchain: ['find_person'],
      mastra: ['find_person'],
      openAiAgents: ['find_person'],
      vercelAi: ['find_person'],
    })
    expect(JSON.stringify(messages.at(-1))).toContain('dana@acme.example')
    expect(directory.calls.count('ann', 'find_person')).toBe(1)
  })
})

const linksSchema = z.object({ links: z.array(z.string()) })
