/**
 * `node test/src/corpus/recordToolLists.ts [NAME…]` (in the root, after `npm run setup`): installs the published MCP
 * servers that are named below into `node_modules/.cache`, asks each for its tools, and writes what it lists, with its
 * version and licence, beside this file. Credentials are made up: the servers are only asked what they offer.
 */
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import * as z from 'zod'
import { PUBLISHED_SERVERS, type PublishedServer } from './publishedServers.ts'

const CACHE = fileURLToPath(new URL('../../../node_modules/.cache/latchkey-corpus', import.meta.url))
const LISTS = fileURLToPath(new URL('./lists/', import.meta.url))
const INSTALL_TIMEOUT_MS = 300_000
const LIST_TIMEOUT_MS = 60_000

const packageSchema = z.object({ bin: z.union([z.string(), z.record(z.string(), z.string())]) })

await mkdir(LISTS, { recursive: true })
const wanted = process.argv.slice(2)
for (const server of PUBLISHED_SERVERS.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
  const { name, version, licence } = server
  try {
    const tools = await listTools(server, await install(server))
    const list = { package: name, version, licence, tools }
    await writeFile(
      join(LISTS, `${name.replaceAll(/[^a-z0-9]+/g, '-').replace(/^-/, '')}.json`),
      `${JSON.stringify(list)}\n`,
    )
    process.stdout.write(`${name} ${version}: ${tools.length} tools\n`)
  } catch (error) {
    const why = error instanceof Error ? error.message.split('\n', 1)[0] : 'failed'
    process.stdout.write(`${name} ${version} was left out: ${why}\n`)
    process.exitCode = 1
  }
}

async function install({ name, version }: PublishedServer): Promise<string> {
  const folder = join(CACHE, `${name.replaceAll('/', '+')}-${version}`)
  if (existsSync(join(folder, 'node_modules', name, 'package.json'))) return folder
  await mkdir(folder, { recursive: true })
  const npm = ['install', '--prefix', folder, '--no-save', '--no-audit', '--no-fund', '--ignore-scripts']
  await promisify(execFile)('npm', [...npm, `${name}@${version}`], {
    timeout: INSTALL_TIMEOUT_MS,
    shell: process.platform === 'win32',
  })
  return folder
}

async function listTools(
  { name, bin, args = [], env = {}, files = {} }: PublishedServer,
  folder: string,
): Promise<unknown[]> {
  const root = join(folder, 'node_modules', name)
  const { bin: bins } = packageSchema.parse(JSON.parse(await readFile(join(root, 'package.json'), 'utf8')))
  const file = typeof bins === 'string' ? bins : bins[bin ?? Object.keys(bins)[0] ?? '']
  if (file === undefined) throw new Error('it has no command of that name')
  // Of its own, and nothing of this process's: its environment holds what no foreign program should see.
  const home = await mkdtemp(join(tmpdir(), 'latchkey-corpus-'))
  const inHome = (text: string): string => text.replace('{home}', home)
  for (const [path, text] of Object.entries(files)) await writeFile(join(home, path), text)
  const ownEnv = Object.fromEntries(Object.entries(env).map(([variable, value]) => [variable, inHome(value)]))
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [join(root, file), ...args.map(inHome)],
    env: { HOME: home, PATH: process.env['PATH'] ?? '', DO_NOT_TRACK: '1', ...ownEnv },
    cwd: home,
    stderr: 'ignore',
  })
  const client = new Client({ name: 'latchkey-corpus', version: '0.0.0' })
  const options = { timeout: LIST_TIMEOUT_MS }
  try {
    await client.connect(transport, options)
    const tools: unknown[] = []
    for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
      const page = await client.listTools(cursor === undefined ? {} : { cursor }, options)
      tools.push(
        ...page.tools.map((tool) => ({
          name: tool.name,
          description: tool.description,
          inputSchema: tool.inputSchema,
        })),
      )
      cursor = page.nextCursor
    }
    return tools
  } finally {
    await client.close()
    await rm(home, { recursive: true, force: true })
  }
}
