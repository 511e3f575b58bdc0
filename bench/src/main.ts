/** `npm run bench [-- --only NAME] [-- --json FILE]`: measures, prints a table, and writes the figures as JSON. */
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { agents } from './agents/agents.ts'
import type { Benchmark, Figures } from './benchmark.ts'
import { conformance } from './conformance.ts'
import { consent } from './consent.ts'
import { events } from './events/events.ts'
import { isolation } from './isolation.ts'
import { noisy } from './noisy/noisy.ts'
import { readiness } from './readiness.ts'
import { relay } from './relay/relay.ts'
import { scale } from './scale/scale.ts'
import { kill } from './replicas/kill.ts'
import { refresh } from './replicas/refresh.ts'
import { revocation } from './replicas/revocation.ts'
import { schemas } from './schemas.ts'
import { tools } from './tools.ts'
import { users } from './users/users.ts'

const benchmarks: readonly Benchmark[] = [
  readiness,
  tools,
  agents,
  consent,
  schemas,
  relay,
  isolation,
  scale,
  refresh,
  revocation,
  kill,
  events,
  users,
  noisy,
  conformance,
]

const { values } = parseArgs({ options: { only: { type: 'string', multiple: true }, json: { type: 'string' } } })
const wanted = values.only ?? benchmarks.map(({ name }) => name)
const unknown = wanted.filter((name) => !benchmarks.some((benchmark) => benchmark.name === name))
if (unknown.length > 0) {
  console.error(`Unknown: ${unknown.join(', ')}. Known: ${benchmarks.map(({ name }) => name).join(', ')}.`)
  process.exit(2)
}

const figures: Figures = {}
for (const benchmark of benchmarks.filter(({ name }) => wanted.includes(name))) {
  console.log(`\n${benchmark.name}: ${benchmark.title}`)
  const measured = await benchmark.run((line) => console.log(`  ${line}`))
  printTable(measured)
  Object.assign(figures, measured)
}
if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(figures, null, 2)}\n`)

function printTable(rows: Figures): void {
  const width = Math.max(...Object.keys(rows).map((name) => name.length))
  for (const [name, value] of Object.entries(rows)) console.log(`  ${name.padEnd(width)}  ${format(value)}`)
}

function format(value: number): string {
  return (Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 2 : 1)).padStart(10)
}
