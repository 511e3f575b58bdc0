import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { quote } from './print.ts'

/** A real model takes its time. */
const TIMEOUT_MS = process.env['OPENAI_API_KEY'] ? 600_000 : 60_000

export interface RunProgramOptions {
  readonly env: Readonly<Record<string, string>>
  /** What it reads. Default: nothing. */
  readonly input?: string | undefined
  /** Called with each line that it prints. */
  readonly onLine?: ((line: string, kill: () => void) => unknown) | undefined
  /** How it ends, unless it is killed. Default 0. */
  readonly exitCode?: number | undefined
}

/**
 * Runs one of the programs that are to be copied as a process of its own, shows what it prints, and gives it.
 *
 * @param program its path below `src`.
 * @throws when it ends in another way.
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  { env, input = '', onLine, exitCode = 0 }: RunProgramOptions,
): Promise<readonly string[]> {
  const child = spawn(process.execPath, [...execArgv(), programFile(program), ...args], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
  })
  let isStopped = false
  function kill(): void {
    isStopped = true
    child.kill('SIGKILL')
  }
  const closed = once(child, 'close')
  child.stdin.on('error', () => {}).end(input)
  const lines: string[] = []
  try {
    for await (const line of createInterface(child.stdout)) {
      lines.push(line)
      quote(line)
      await onLine?.(line, kill)
    }
    await closed
  } finally {
    child.kill('SIGKILL')
  }
  if (!isStopped && child.exitCode !== exitCode)
    throw new Error(`${program} ended with ${child.exitCode ?? child.signalCode}`)
  return lines
}

/** Where a program is. */
export function programFile(program: string): string {
  return fileURLToPath(new URL(`../${program}`, import.meta.url))
}

/** On sources in a test, on what was built else: as it is for whoever starts it. */
export function execArgv(): readonly string[] {
  if (process.env['VITEST'] === undefined) return process.execArgv
  return ['--conditions=@latchkey/source', '--disable-warning=ExperimentalWarning']
}
