import type { Backend, ConnectionState } from '@latchkey/core'
import { setTimeout as delay } from 'node:timers/promises'
import { connectGateway, type GatewayAccess } from '../connectGateway.ts'
import { EXIT } from '../exitCodes.ts'
import { findInstance } from '../findInstance.ts'
import { interrupted } from '../interrupted.ts'
import { createOutput, type Output, paint } from '../output.ts'
import { stateJson, stateTable } from '../stateTable.ts'

export interface StatusOptions extends GatewayAccess {
  readonly watch?: boolean | undefined
}

/** How often the state is read without an event, in milliseconds. */
const POLL_MS = 5_000

/** `latchkey status <user>`: every connection of the user's instance; with `--watch` until all are ACTIVE. */
export async function status(userIdentifier: string, options: StatusOptions): Promise<void> {
  const output = createOutput(options)
  using stop = interrupted()
  const { signal } = stop
  await using gateway = connectGateway(options)
  const { id, configName } = await findInstance(gateway, userIdentifier, signal)
  const subject = { user: userIdentifier, config: configName }
  if (options.watch !== true) {
    const states = await gateway.backend.getAuthState(id, { signal })
    print(output, states)
    output.json({ ...subject, ready: isReady(states), connections: states.map(stateJson) })
    process.exitCode = isReady(states) ? EXIT.done : EXIT.authorization
    return
  }
  for await (const states of watchStates(gateway.backend, id, signal)) {
    if (!output.isJson) output.line(paint('dim', new Date().toLocaleTimeString()))
    print(output, states)
    output.jsonLine({ ...subject, ready: isReady(states), connections: states.map(stateJson) })
    if (isReady(states)) return
  }
}

function print(output: Output, states: readonly ConnectionState[]): void {
  for (const line of stateTable(states)) output.line(line)
}

function isReady(states: readonly ConnectionState[]): boolean {
  return states.every(({ isActive }) => isActive)
}

/** The states now, and again whenever they have changed: at a pushed event, or at the next poll where that was lost. */
async function* watchStates(
  backend: Backend,
  instanceId: string,
  signal: AbortSignal,
): AsyncGenerator<readonly ConnectionState[]> {
  const bell = createBell()
  const ended = new AbortController()
  const whileWatched = AbortSignal.any([signal, ended.signal])
  void listen(backend, instanceId, whileWatched, bell.ring)
  let told = ''
  try {
    for (;;) {
      const rung = bell.next()
      const states = await backend.getAuthState(instanceId, { signal })
      const text = JSON.stringify(states.map(stateJson))
      if (text !== told) yield states
      told = text
      await Promise.race([rung, pause(whileWatched)])
      signal.throwIfAborted()
    }
  } finally {
    ended.abort()
  }
}

function createBell() {
  let waiting = Promise.withResolvers<void>()
  return {
    next: () => waiting.promise,
    ring: () => {
      waiting.resolve()
      waiting = Promise.withResolvers<void>()
    },
  }
}

async function listen(backend: Backend, instanceId: string, signal: AbortSignal, ring: () => void): Promise<void> {
  while (!signal.aborted) {
    try {
      const events = backend.statusEvents?.(instanceId, { signal, onOpen: ring }) ?? []
      for await (const event of events) if (event !== undefined) ring()
    } catch {
      // The poll goes on meanwhile, and says what is wrong.
    }
    await pause(signal)
  }
}

async function pause(signal: AbortSignal): Promise<void> {
  await delay(POLL_MS, undefined, { signal }).catch(() => {})
}
