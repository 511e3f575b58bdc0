import { fileURLToPath } from 'node:url'
import { Secret } from '../../../src/secret.ts'
import type { GuardedAnswer } from '../../../src/services.ts'
import { createPrograms, type ProgramRequest } from '../../../src/upstream/stdio/programs.ts'
import type { ProgramPoolDeps } from '../../../src/upstream/stdio/programPool.ts'
import { createWatchdog } from '../../../src/upstream/stdio/watchdog.ts'
import { watchProcesses } from '../../../../../test/src/fixtures/stdio/watchProcesses.ts'

const PROGRAM = fileURLToPath(new URL('../../../../../test/src/fixtures/stdio/plainProgram.ts', import.meta.url))

export interface CallOptions {
  /** Whose account. Default: ada's. */
  readonly user?: string | undefined
  readonly generation?: number
  readonly text?: string
  readonly id?: unknown
  readonly signal?: AbortSignal
  readonly maxBytes?: number
  readonly headers?: Record<string, string>
  /** Of the program. */
  readonly args?: readonly string[]
}

const MODERN_HEADERS = { 'mcp-protocol-version': '2026-07-28' }

/** Programs, and what is seen of their processes. */
export async function startPrograms(deps: Partial<ProgramPoolDeps> = {}) {
  const seen = await watchProcesses()
  const watchdog = createWatchdog()
  const clock = { now: 1_000_000 }
  const programs = createPrograms({ watchdog, clock: () => clock.now, graceMs: 300, ...deps })

  function requestOf({ user = 'ada', generation = 1, args = [], ...given }: CallOptions): ProgramRequest {
    const nodeArgs = ['--disable-warning=ExperimentalWarning', PROGRAM, ...args]
    const env = { TEST_PORT: new Secret(String(seen.port)), CONFIGURED: new Secret('configured') }
    return {
      method: 'POST',
      partition: `ca_${user}`,
      program: {
        program: { command: process.execPath, args: nodeArgs, cwd: process.cwd(), env },
        variables: { SERVICE_TOKEN: `${user}-${generation}` },
        generation,
      },
      headers: given.headers ?? MODERN_HEADERS,
      maxBytes: given.maxBytes ?? 10 * 1024 * 1024,
      headersTimeoutMs: 600_000,
      bodyIdleTimeoutMs: 600_000,
      ...(given.signal && { signal: given.signal }),
    }
  }

  async function send(message: string | object, options: CallOptions = {}): Promise<GuardedAnswer> {
    const body = typeof message === 'string' ? message : JSON.stringify(message)
    return await programs.send({ ...requestOf(options), body })
  }

  /** Calls a tool; the answer as it came. */
  async function ask(name: string, options: CallOptions = {}): Promise<GuardedAnswer> {
    const { id = 1, text = '' } = options
    return await send({ jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: { text } } }, options)
  }

  return {
    programs,
    clock,
    send,
    ask,
    /** Calls a tool; its result. */
    async call(name: string, options: CallOptions = {}): Promise<Record<string, unknown>> {
      const { result }: { result: Record<string, unknown> } = JSON.parse(await (await ask(name, options)).text())
      return result
    },
    /** Opens a session of the 2025 era for clients of this kind; the headers of its requests. */
    async initialize(options: CallOptions = {}, kind = 'any'): Promise<Record<string, string>> {
      const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: kind, version: '1' } }
      const answer = await send({ jsonrpc: '2.0', id: 0, method: 'initialize', params }, { ...options, headers: {} })
      return { 'mcp-protocol-version': '2025-11-25', 'mcp-session-id': String(answer.headers['mcp-session-id']) }
    },
    listen: async (options: CallOptions) => await programs.send({ ...requestOf(options), method: 'GET' }),
    /** Says that a session is not needed any more. */
    endSession: async (options: CallOptions) => await programs.send({ ...requestOf(options), method: 'DELETE' }),
    /** The nth process of a user that was started with this generation. */
    process: async (user: string, nth = 0, generation = 1) => await seen.find(`${user}-${generation}`, nth),
    async close() {
      await programs.close()
      watchdog.close()
      seen.close()
    },
  }
}
