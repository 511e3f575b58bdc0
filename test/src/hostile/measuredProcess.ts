/**
 * A gateway that measures itself. Reads `GATEWAY_OPTIONS`; tells its port. `begin` starts a measurement, `end` gives it.
 */
import { serve } from '@hono/node-server'
import { createGateway, type GatewayOptions } from '@latchkey/gateway'
import { once } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { portOf } from '../fixtures/portOf.ts'
import { MIB } from './corpus.ts'
import type { Measured } from './startMeasured.ts'

// However the parent ends, nothing is left behind.
process.once('disconnect', () => process.exit())

const options: GatewayOptions & { publicUrl: string } = JSON.parse(process.env['GATEWAY_OPTIONS'] ?? '{}')
const gateway = await createGateway(options)
const server = serve({ fetch: gateway.fetch, hostname: '127.0.0.1', port: Number(new URL(options.publicUrl).port) })
if (!server.listening) await once(server, 'listening')

/** Of this thread: what else the machine does at the same time makes no difference. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

let timer: NodeJS.Timeout | undefined
let baseline = 0
let measured: Measured = { longestTurnMs: 0, growthBytes: 0 }
let before = 0
/** A growth up to which is known what a garbage collection leaves of it. */
let collected = 0

function memory(): number {
  const { rss, heapTotal, heapUsed } = process.memoryUsage()
  return rss - (heapTotal - heapUsed)
}

/** Collecting each time would take for ever: what is garbage once makes room for what is garbage next. */
function growth(): number {
  const grown = memory() - baseline
  if (grown < collected + 2 * MIB) return Math.min(grown, measured.growthBytes)
  collected = grown
  // The second one waits for what the first has left to other threads.
  globalThis.gc?.()
  globalThis.gc?.()
  return memory() - baseline
}

/** A timer that is due again in each turn of the event loop: what was used since the last time was used in one turn. */
function tick(): void {
  const now = cpuMs()
  const growthBytes = Math.max(measured.growthBytes, growth())
  measured = { longestTurnMs: Math.max(measured.longestTurnMs, now - before), growthBytes }
  before = cpuMs()
}

async function begin(): Promise<void> {
  for (let time = 0; time < 2; time += 1) {
    globalThis.gc?.()
    await nextTurn()
  }
  baseline = memory()
  collected = 0
  measured = { longestTurnMs: 0, growthBytes: 0 }
  before = cpuMs()
  timer = setInterval(tick, 1)
}

process.on('message', (message) => {
  if (message === 'begin') void begin().then(() => process.send?.('begun'))
  else {
    tick()
    clearInterval(timer)
    process.send?.(measured)
  }
})
process.send?.({ port: portOf(server) })
