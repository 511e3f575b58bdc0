import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import * as z from 'zod'
import { temporaryFolder } from '../fixtures/temporaryFolder.ts'
import {
  type AgentClient,
  type AgentClientKind,
  type Door,
  type DoorKind,
  failureOf,
  outcomeOf,
} from './agentClient.ts'

/** The command line of the MCP Inspector, in both eras: a process for each thing that is asked, so each at one door. */
export const inspectorClients: readonly AgentClientKind[] = [inspector('modern', 'url'), inspector('legacy', 'token')]

function inspector(era: 'modern' | 'legacy', door: DoorKind): AgentClientKind {
  return {
    name: `@modelcontextprotocol/inspector --cli --protocol-era ${era}`,
    can: { progress: false, signal: true, prompts: true, resources: true },
    doors: [door],
    connect: (given) => connectInspector(given, era),
  }
}

const answerSchema = z.object({ result: z.record(z.string(), z.unknown()) })
const listSchema = z.object({ tools: z.array(z.object({ name: z.string() })) })

const promptsSchema = z.object({ prompts: z.array(z.object({ name: z.string() })) })
const resourcesSchema = z.object({ resources: z.array(z.object({ uri: z.string() })) })

async function connectInspector({ url, headers }: Door, era: string): Promise<AgentClient> {
  // It keeps a catalog in the home folder.
  const home = await temporaryFolder()

  async function run(asked: readonly string[], signal?: AbortSignal): Promise<Record<string, unknown>> {
    const sent = Object.entries(headers).flatMap(([name, value]) => ['--header', `${name}: ${value}`])
    const target = ['--server-url', url, '--transport', 'http', '--protocol-era', era, '--stored-auth-only', '--quiet']
    const command = [inspectorEntry(), '--cli', ...target, ...sent, '--format', 'json', ...asked]
    const env = { PATH: process.env['PATH'], HOME: home.path }
    const child = spawn(process.execPath, command, { env, stdio: ['ignore', 'pipe', 'pipe'], cwd: home.path })
    const kill = (): void => void child.kill('SIGINT')
    signal?.addEventListener('abort', kill, { once: true })
    const [output, said] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
    if (output.trim() === '') throw new Error(said)
    return answerSchema.parse(JSON.parse(output)).result
  }

  return {
    list: async () => listSchema.parse(await run(['--method', 'tools/list'])).tools.map(({ name }) => name),
    call: (name, args = {}, { signal } = {}) =>
      run(['--method', 'tools/call', '--tool-name', name, '--tool-args-json', JSON.stringify(args)], signal).then(
        outcomeOf,
        failureOf,
      ),
    prompts: {
      list: async () => promptsSchema.parse(await run(['--method', 'prompts/list'])).prompts.map(({ name }) => name),
      async get(name, args) {
        const given = Object.entries(args).map(([key, value]) => `${key}=${value}`)
        const asked = ['--method', 'prompts/get', '--prompt-name', name, '--prompt-args', ...given]
        return JSON.stringify((await run(asked))['messages'])
      },
    },
    resources: {
      list: async () =>
        resourcesSchema.parse(await run(['--method', 'resources/list'])).resources.map(({ uri }) => uri),
      read: async (uri) => JSON.stringify((await run(['--method', 'resources/read', '--uri', uri]))['contents']),
    },
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  }
}

export function inspectorEntry(): string {
  const manifest = createRequire(import.meta.url).resolve('@modelcontextprotocol/inspector/package.json')
  return join(dirname(manifest), 'clients', 'launcher', 'build', 'index.js')
}
