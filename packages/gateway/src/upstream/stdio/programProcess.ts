import { spawn, type ChildProcessByStdio } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { getDefaultEnvironment } from '@modelcontextprotocol/client/stdio'
import type { AccountProgram } from '../../services.ts'
import { ProgramFailed } from '../failures.ts'
import { createLineReader, LineTooLong } from './lineReader.ts'
import { HAS_GROUPS, signalProgram } from './signalProgram.ts'
import type { Watchdog } from './watchdog.ts'

/** A program that runs: lines in, lines out. */
export interface ProgramProcess {
  /** Whether it can be asked anything. */
  readonly isRunning: boolean
  /** Whether it has read most of what it was sent. */
  readonly isReading: boolean
  /** Throws `ProgramFailed` where it has not read what it was sent before. */
  write(line: string): void
  /** Ends it, and gives when it is gone. From now on nothing is told of it. */
  end(): Promise<void>
}

export interface ProgramProcessDeps {
  readonly watchdog: Watchdog
  /** How long it may take to end after its input was closed, and again after SIGTERM. Default 2,000. */
  readonly graceMs?: number | undefined
}

export interface ProgramEvents {
  readonly onLine: (line: string) => void
  /** It is gone, or not worth asking any more; once. */
  readonly onFailure: (failure: ProgramFailed) => void
}

/** One line is one message, and no answer is longer than that. */
export const MAX_LINE_BYTES = 10 * 1024 * 1024
/** Between the end of the process and that of its output, which something else may hold open. */
const LAST_WORDS_MS = 1_000
/** Who writes this much at once may write more: first it is everybody else's turn. Who has not read as much is behind. */
const BUSY_BYTES = 16 * 1024

type Child = ChildProcessByStdio<Writable, Readable, null>

/**
 * Starts a program. Its environment is what the configuration and the account say, and the few variables that MCP
 * clients give to every program: the gateway's own holds its keys. What it writes to its standard error is thrown away:
 * it may hold the credential. Throws `ProgramFailed`.
 */
export function startProgram(
  given: AccountProgram,
  { watchdog, graceMs = 2_000 }: ProgramProcessDeps,
  events: ProgramEvents,
): ProgramProcess {
  const child = spawnProgram(given)
  const { pid, stdin, stdout } = child
  const unwatch = pid === undefined ? undefined : watchdog.watch(pid)
  const gone = Promise.withResolvers<void>()
  let ending: Promise<void> | undefined
  let isOver = false

  function fail(what: string): void {
    if (isOver) return
    isOver = true
    stdout.destroy()
    events.onFailure(new ProgramFailed(what))
  }

  const failAsEnded = (): void => fail(howItEnded(child))
  const awaitLastWords = (): void => void setTimeout(failAsEnded, LAST_WORDS_MS).unref()
  child.on('error', (error) => {
    if (pid !== undefined) return
    gone.resolve()
    fail(notStarted(error))
  })
  child.on('exit', () => {
    unwatch?.()
    // What it has started, and would leave behind.
    if (pid !== undefined && HAS_GROUPS) signalProgram(pid, 'SIGKILL')
    gone.resolve()
    awaitLastWords()
  })
  child.on('close', failAsEnded)
  stdin.on('error', awaitLastWords)
  readLines(stdout, (line) => !isOver && events.onLine(line), fail)
  // That it closes one of them may be the first that is seen of its end (transports, "stdio", shutdown).
  stdout.on('end', awaitLastWords)

  return {
    get isRunning() {
      return (
        !isOver && !stdin.destroyed && !stdout.readableEnded && child.exitCode === null && child.signalCode === null
      )
    },
    get isReading() {
      return stdin.writableLength <= BUSY_BYTES
    },
    write(line) {
      if (stdin.writableLength > MAX_LINE_BYTES) throw new ProgramFailed('does not read what it is sent')
      stdin.write(`${line}\n`)
    },
    end() {
      isOver = true
      return (ending ??= endProgram(child, gone.promise, graceMs))
    },
  }
}

/** What Node refuses before it tries, such as an argument that no program takes, is told like what fails. */
function spawnProgram({ program: { command, args, cwd, env }, variables }: AccountProgram): Child {
  const configured = Object.fromEntries(Object.entries(env).map(([name, value]) => [name, value.reveal()]))
  try {
    return spawn(command, args, {
      cwd,
      env: { ...getDefaultEnvironment(), ...configured, ...variables },
      stdio: ['pipe', 'pipe', 'ignore'],
      detached: HAS_GROUPS,
      windowsHide: true,
    })
  } catch (error) {
    throw new ProgramFailed(notStarted(error))
  }
}

/** The error itself holds the arguments. */
function notStarted(error: unknown): string {
  return `could not be started${error instanceof Error && 'code' in error ? ` (${String(error.code)})` : ''}`
}

function howItEnded({ exitCode, signalCode }: Child): string {
  const how = signalCode ?? (exitCode === null ? undefined : `exit code ${exitCode}`)
  const what = how === undefined ? 'closed its input or its output' : `ended (${how})`
  return `${what} before it had answered; what it was asked may have been carried out`
}

function readLines(stdout: Readable, onLine: (line: string) => void, fail: (what: string) => void): void {
  const lines = createLineReader(MAX_LINE_BYTES)
  stdout.on('data', (chunk: Buffer) => {
    try {
      for (const line of lines(chunk)) onLine(line)
    } catch (error) {
      if (!(error instanceof LineTooLong)) throw error
      fail(`sent a message of more than ${MAX_LINE_BYTES} bytes, which is the most that the gateway takes`)
    }
    if (chunk.byteLength < BUSY_BYTES) return
    stdout.pause()
    setImmediate(() => stdout.resume())
  })
  stdout.on('error', ignore)
}

/** As the specification has it: its input closes, then it is asked to end, then it is ended. */
async function endProgram({ pid, stdin, stdout }: Child, gone: Promise<void>, graceMs: number): Promise<void> {
  stdin.end()
  // One that waits until its output is read would not notice.
  stdout.removeAllListeners('data').resume()
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    if (await isWithin(gone, graceMs)) return
    if (pid !== undefined) signalProgram(pid, signal)
  }
  await gone
}

async function isWithin(gone: Promise<void>, patienceMs: number): Promise<boolean> {
  const timer = new AbortController()
  const isLate = delay(patienceMs, false, { signal: timer.signal }).catch(() => false)
  try {
    return await Promise.race([gone.then(() => true), isLate])
  } finally {
    timer.abort()
  }
}

function ignore(): void {}
