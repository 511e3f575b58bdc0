import { createMCPClient } from '@ai-sdk/mcp'
import { execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import * as z from 'zod'
import type { Figures } from '../benchmark.ts'
import { time } from '../statistics.ts'
import { message } from './message.ts'
import { usageOf, type Usage } from './startProcess.ts'
import { type Call, Way } from './way.ts'

const CACHE = fileURLToPath(new URL('../../../node_modules/.cache/latchkey-bench', import.meta.url))
const STDIO_UPSTREAM = fileURLToPath(new URL('./stdioUpstream.mjs', import.meta.url))
const INSTALL_TIMEOUT_MS = 180_000
const START_TIMEOUT_MS = 30_000
const AT_ONCE = 32

export interface PeersOptions {
  readonly say: (line: string) => void
  readonly upstreamUrl: string
  readonly apiKey: string
  readonly blocks: number
  readonly callsPerBlock: number
}

/** A published gateway: which version, how it is started, how it is called. */
interface Peer {
  readonly name: string
  readonly version: string
  /** Of its command, in its package. */
  readonly bin: string
  readonly args: (port: number, folder: string, options: PeersOptions) => Promise<readonly string[]>
  readonly connect: (origin: string) => Promise<{ readonly call: Call; readonly close: () => Promise<void> }>
}

/** Other people's gateways, in the versions that are named here. They are put into a cache, and are no dependencies. */
const PEERS: readonly Peer[] = [
  {
    name: 'mcp-hub',
    version: '4.2.1',
    bin: 'dist/cli.js',
    async args(port, folder, { upstreamUrl, apiKey }) {
      const config = join(folder, 'bench-servers.json')
      const directory = { url: upstreamUrl, headers: { 'X-Api-Key': apiKey } }
      await writeFile(config, JSON.stringify({ mcpServers: { directory } }), { mode: 0o600 })
      return ['--port', String(port), '--config', config]
    },
    connect: async (origin) => await connectBySession(`${origin}/mcp`),
  },
  {
    name: 'mcp-proxy',
    version: '6.7.19',
    bin: 'dist/bin/mcp-proxy.mjs',
    async args(port) {
      const options = `--host 127.0.0.1 --port ${port} --server stream --no-eventStore --`.split(' ')
      return await Promise.resolve([...options, process.execPath, STDIO_UPSTREAM])
    },
    async connect(origin) {
      const send = message(`${origin}/mcp`, 'tools/call', { name: 'find_person', arguments: { name: 'Dana' } })
      const call = async (): Promise<void> => assertAnswer(await send())
      await call()
      return { call, close: async () => {} }
    },
  },
]

/** CPU a call of each that can be installed; the others are named and left out. Its own process only is counted. */
export async function measurePeers(options: PeersOptions): Promise<Figures> {
  const figures: Figures = {}
  for (const peer of PEERS) {
    const { name, version } = peer
    try {
      Object.assign(figures, await measurePeer(peer, options))
      options.say(`${name} ${version} was measured`)
    } catch (error) {
      options.say(
        `${name} ${version} was left out: ${error instanceof Error ? error.message.split('\n', 1)[0] : 'failed'}`,
      )
    }
  }
  return figures
}

async function measurePeer(peer: Peer, options: PeersOptions): Promise<Figures> {
  const { name, bin } = peer
  const { blocks, callsPerBlock } = options
  const folder = await install(peer)
  const port = await freePort()
  const args = await peer.args(port, folder, options)
  using started = await startPeer(join(folder, 'node_modules', name, bin), args)
  const { call, close } = await whenUp(async () => await peer.connect(`http://127.0.0.1:${port}`))
  try {
    const way = new Way(call, started)
    await time(blocks * callsPerBlock, call)
    for (let block = 0; block < blocks; block += 1) await way.measureBlock(callsPerBlock)
    const figure = (what: string): string => `relay.peers.${name}.${what}`
    return {
      [figure('cpu_ms_per_call')]: way.cpuPerCall,
      [figure('cpu_ms_per_call_32')]: await way.cpuPerCallAtOnce(blocks * callsPerBlock, AT_ONCE),
      [figure('p50_ms')]: way.p50,
      [figure('p99_ms')]: way.p99,
      [figure('rss_mb')]: (await started.usage()).rssMb,
    }
  } finally {
    await close()
  }
}

async function install({ name, version, bin }: Peer): Promise<string> {
  const folder = join(CACHE, `${name}-${version}`)
  if (existsSync(join(folder, 'node_modules', name, bin))) return folder
  await mkdir(folder, { recursive: true })
  const npm = ['install', '--prefix', folder, '--no-save', '--no-audit', '--no-fund', '--ignore-scripts']
  await promisify(execFile)('npm', [...npm, `${name}@${version}`], {
    timeout: INSTALL_TIMEOUT_MS,
    shell: process.platform === 'win32',
  })
  return folder
}

/** With the child's side of `serveParent` loaded first, so that a foreign program tells its CPU time too. */
async function startPeer(file: string, args: readonly string[]): Promise<Disposable & { usage: () => Promise<Usage> }> {
  const preload = new URL('./peerPreload.ts', import.meta.url).href
  const child = fork(file, args, { execArgv: ['--import', preload], stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
  await once(child, 'message', { signal: AbortSignal.timeout(START_TIMEOUT_MS) })
  return { usage: usageOf(child, file), [Symbol.dispose]: () => void child.kill() }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('There is no free port.')
  return address.port
}

async function whenUp<T>(connect: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + START_TIMEOUT_MS
  for (;;) {
    try {
      return await connect()
    } catch (error) {
      if (Date.now() > deadline) throw error
      await delay(250)
    }
  }
}

/** By a client's library, for its transport is the older one with two streams. */
async function connectBySession(url: string): Promise<{ call: Call; close: () => Promise<void> }> {
  const client = await createMCPClient({ transport: { type: 'sse', url } })
  try {
    const [tool] = Object.entries(await client.tools()).flatMap(([name, each]) =>
      name.includes('find_person') ? [each] : [],
    )
    if (tool === undefined) throw new Error('The tool is not there yet.')
    const call = async (): Promise<void> =>
      assertAnswer(
        JSON.stringify(await tool.execute({ name: 'Dana' }, { toolCallId: 'bench', messages: [], context: {} })),
      )
    await call()
    return { call, close: async () => await client.close() }
  } catch (error) {
    await client.close()
    throw error
  }
}

const ADDRESS = 'dana@acme.example'

function assertAnswer(text: string): void {
  if (!z.string().includes(ADDRESS).safeParse(text).success) throw new Error('The call gave another answer.')
}
