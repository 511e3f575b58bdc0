import { spawn, type ChildProcess } from 'node:child_process'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HAS_GROUPS } from './signalProgram.ts'

/** Ends programs whose gateway was killed. */
export interface Watchdog {
  /** Watches over the program with this process id until what it gives is called. */
  watch(pid: number): () => void
  close(): void
}

const SCRIPT = fileURLToPath(new URL(`watchdogProcess${extname(import.meta.url)}`, import.meta.url))

/** One process of its own for all programs of a gateway, started with the first of them. It keeps nobody alive. */
export function createWatchdog(): Watchdog {
  let started: ChildProcess | undefined

  return {
    watch(pid) {
      started ??= startWatching()
      const { stdin } = started
      stdin?.write(`+${pid}\n`)
      return () => void stdin?.write(`-${pid}\n`)
    },
    close() {
      started?.stdin?.end()
      started = undefined
    },
  }
}

function startWatching(): ChildProcess {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', SCRIPT], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: HAS_GROUPS,
    windowsHide: true,
    env: {},
  })
  // Without it programs end as soon as their input closes, which most of them do by themselves.
  child.on('error', ignore)
  child.stdin.on('error', ignore)
  child.unref()
  // The pipe of a child process is a socket, which can be told not to keep this process alive.
  if ('unref' in child.stdin && typeof child.stdin.unref === 'function') child.stdin.unref()
  return child
}

function ignore(): void {}
