import { freePort } from '@latchkey/test/fixtures'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { execArgv, programFile } from './runProgram.ts'
import { type ExampleWorld, startExampleWorld } from './startExampleWorld.ts'

/** Who can sign in, and with what. */
export const PASSWORDS = { alice: 'alice-demo', bob: 'bob-demo' } as const

export interface RunningChat extends AsyncDisposable {
  readonly world: ExampleWorld
  /** Where it is. */
  readonly origin: string
  /** All that it has printed. */
  readonly output: () => string
}

/** Starts the chat server as a process of its own, and what it needs. */
export async function startChat(): Promise<RunningChat> {
  await using starting = new AsyncDisposableStack()
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  const world = starting.use(await startExampleWorld({ origin }))
  const users = Object.entries(PASSWORDS).map(([name, password]) => `${name}:${password}`)
  const child = spawn(process.execPath, [...execArgv(), programFile('chat-server/server.ts')], {
    env: { PATH: process.env['PATH'] ?? '', ...world.env, PORT: String(port), USERS: users.join() },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const closed = once(child, 'close')
  starting.defer(async () => {
    child.kill('SIGKILL')
    await closed
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (output += String(bytes)))
  const [line] = await Promise.race([once(createInterface(child.stdout), 'line'), closed])
  if (!String(line).startsWith('The chat is at')) throw new Error(`The chat server did not start:\n${output}`)

  const owned = starting.move()
  return { world, origin, output: () => output, [Symbol.asyncDispose]: async () => await owned.disposeAsync() }
}
