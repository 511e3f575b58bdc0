import { createLatchkey } from '@latchkey/core'
import { canaryOf } from '@latchkey/test/fixtures'
import type { Benchmark, Figures } from '../benchmark.ts'
import { sizeOf } from '../size.ts'
import { CONFIG, createStack, type Stack } from '../stack.ts'
import { mean, median } from '../statistics.ts'
import type { Framework, OwnClient } from './frameworks.ts'

const USERS = sizeOf('BENCH_AGENT_USERS', 10)
const RUNS = sizeOf('BENCH_AGENT_RUNS', 10)
const LATENCY_MS = 20
/** So that no program is met cold, only users are. */
const WARM_UP_RUNS = 3

/** One way in which an agent comes to its user's tools. */
interface Way extends AsyncDisposable {
  /** Of its figures. */
  readonly name: string
  readonly run: (user: string) => Promise<string>
}

interface Sample {
  readonly ms: number
  /** How many requests reached the network. */
  readonly requests: number
  /** How many of them went to the control plane. */
  readonly control: number
}

/** What the runs of one way took; a user's first apart, for then nothing of this user is known. */
interface Samples {
  readonly cold: Sample[]
  readonly warm: Sample[]
  /** What ending it took in the end. */
  closing: Sample
}

/**
 * Users' agents on one process, each run of which gets the tools, has the model (a scripted one) choose one, calls it, and
 * lets the model answer: with our adapters, and with each framework's own client, which is given the user's URL. The
 * ways take turns. Own clients are opened for each run; `…_kept` is one client for each user, asked for its tools in
 * each run.
 */
export const agents: Benchmark = {
  name: 'agents',
  title: `${USERS} users x ${RUNS} runs of an agent with our adapters and with the frameworks' own clients: requests and time`,
  async run(say) {
    // They look at these as they are loaded: nobody is talked to but the gateway.
    Object.assign(process.env, { MASTRA_TELEMETRY_DISABLED: '1', OPENAI_AGENTS_DISABLE_TRACING: '1' })
    const { frameworks } = await import('./frameworks.ts')
    await using stack = await createStack()
    const urls = new Map<string, string>()
    for (const user of ['warm-up', ...usersOf()]) {
      await stack.consent(user)
      urls.set(user, await stack.latchkey.mcpUrl(user))
    }
    const open = (kinds: readonly OpenWay[]) =>
      frameworks.flatMap((framework) => kinds.map((kind) => kind(framework, stack, urls)))
    await measure(stack, open([ours, fresh, kept]), { users: ['warm-up'], runs: WARM_UP_RUNS })

    say('the ways take turns, run by run')
    const near = await measure(stack, open([ours, fresh, kept]), { users: usersOf(), runs: RUNS })
    say(`the same with ${LATENCY_MS} ms added to each request`)
    stack.setLatencyMs(LATENCY_MS)
    const far = await measure(stack, open([ours, fresh]), { users: usersOf(), runs: RUNS })
    return {
      ...oursTogether(frameworks, near, far),
      ...Object.assign({}, ...[...near].map(([name, samples]) => figuresOf(`agents.${name}`, samples))),
      ...Object.fromEntries([...far].map(([name, samples]) => [`agents.${name}.ms_per_run_20ms`, msOf(samples)])),
    }
  },
}

type OpenWay = (framework: Framework, stack: Stack, urls: ReadonlyMap<string, string>) => Way

const ours: OpenWay = ({ adapter, adapt }, { client }) => {
  const latchkey = createLatchkey({ ...client, config: CONFIG })
  return { name: adapter, run: adapt(latchkey), [Symbol.asyncDispose]: () => latchkey[Symbol.asyncDispose]() }
}

const fresh: OpenWay = ({ client, connect }, _stack, urls) => ({
  name: client,
  async run(user) {
    const own = await connect(urls.get(user) ?? '')
    try {
      return await own.run()
    } finally {
      await own.close()
    }
  },
  [Symbol.asyncDispose]: async () => {},
})

const kept: OpenWay = ({ client, connect }, _stack, urls) => {
  const open = new Map<string, OwnClient>()
  return {
    name: `${client}_kept`,
    async run(user) {
      const own = open.get(user) ?? (await connect(urls.get(user) ?? ''))
      open.set(user, own)
      return await own.run()
    },
    async [Symbol.asyncDispose]() {
      for (const own of open.values()) await own.close()
    },
  }
}

async function measure(
  stack: Stack,
  ways: readonly Way[],
  { users, runs }: { readonly users: readonly string[]; readonly runs: number },
): Promise<ReadonlyMap<string, Samples>> {
  const measured = new Map<string, Samples>()
  const samplesOf = ({ name }: Way): Samples => {
    const samples = measured.get(name) ?? { cold: [], warm: [], closing: { ms: 0, requests: 0, control: 0 } }
    measured.set(name, samples)
    return samples
  }
  for (let run = 0; run < runs; run += 1) {
    for (const user of users) {
      for (const way of ways) {
        const sample = await sampleOf(stack, async () => assertOwn(await way.run(user), user))
        samplesOf(way)[run === 0 ? 'cold' : 'warm'].push(sample)
      }
    }
  }
  for (const way of ways) samplesOf(way).closing = await sampleOf(stack, async () => await way[Symbol.asyncDispose]())
  return measured
}

async function sampleOf(stack: Stack, task: () => Promise<void>): Promise<Sample> {
  stack.takeRequests()
  const started = performance.now()
  await task()
  const ms = performance.now() - started
  const requests = stack.takeRequests()
  return { ms, requests: requests.length, control: requests.filter((request) => !/^\w+ \/mcp\//.test(request)).length }
}

function assertOwn(answer: string, user: string): void {
  if (!answer.includes(canaryOf('mail', user))) throw new Error(`The run of ${user} came to another answer.`)
}

function usersOf(): readonly string[] {
  return Array.from({ length: USERS }, (_, index) => `user-${index}`)
}

/** Of all our adapters, which make the same requests. */
function oursTogether(
  frameworks: readonly Framework[],
  near: ReadonlyMap<string, Samples>,
  far: ReadonlyMap<string, Samples>,
): Figures {
  const of = (measured: ReadonlyMap<string, Samples>, figure: (samples: Samples) => number) =>
    mean(frameworks.flatMap(({ adapter }) => measured.get(adapter) ?? []).map(figure))
  return {
    'agents.requests_per_run': of(near, (samples) => perRun(samples, 'requests')),
    'agents.control_requests_per_run': of(near, (samples) => perRun(samples, 'control')),
    'agents.ms_per_run': of(near, msOf),
    'agents.ms_per_run_20ms': of(far, msOf),
  }
}

function figuresOf(name: string, samples: Samples): Figures {
  const { cold, warm } = samples
  return {
    [`${name}.requests_per_run`]: perRun(samples, 'requests'),
    [`${name}.control_requests_per_run`]: perRun(samples, 'control'),
    [`${name}.ms_per_run`]: msOf(samples),
    [`${name}.cold_requests`]: mean(cold.map(({ requests }) => requests)),
    [`${name}.cold_ms`]: median(cold.map(({ ms }) => ms)),
    ...(warm.length > 0 && {
      [`${name}.warm_requests`]: mean(warm.map(({ requests }) => requests)),
      [`${name}.warm_ms`]: median(warm.map(({ ms }) => ms)),
    }),
  }
}

function perRun({ cold, warm, closing }: Samples, what: 'requests' | 'control'): number {
  const runs = [...cold, ...warm]
  return [...runs, closing].reduce((sum, sample) => sum + sample[what], 0) / runs.length
}

function msOf({ cold, warm }: Samples): number {
  return mean([...cold, ...warm].map(({ ms }) => ms))
}
