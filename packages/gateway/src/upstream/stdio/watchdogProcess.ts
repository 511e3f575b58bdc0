/**
 * Waits until the gateway is gone, however that came about, and then ends its programs: those that do not end by
 * themselves when their input closes would stay for ever. It is told of each on its own input: `+1234`, and `-1234` when
 * that one has ended.
 */
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { signalProgram } from './signalProgram.ts'

const PATIENCE_MS = 1_000
const LOOK_EVERY_MS = 50

const programs = new Set<number>()

for await (const line of createInterface({ input: process.stdin })) {
  const pid = Number(line.slice(1))
  if (line.startsWith('+')) programs.add(pid)
  else programs.delete(pid)
}
if (await areThereAfter(PATIENCE_MS)) {
  for (const pid of programs) signalProgram(pid, 'SIGTERM')
  if (await areThereAfter(PATIENCE_MS)) for (const pid of programs) signalProgram(pid, 'SIGKILL')
}

async function areThereAfter(patienceMs: number): Promise<boolean> {
  const deadline = performance.now() + patienceMs
  for (;;) {
    for (const pid of programs) if (!signalProgram(pid, 0)) programs.delete(pid)
    if (programs.size === 0) return false
    if (performance.now() > deadline) return true
    await delay(LOOK_EVERY_MS)
  }
}
