import type { Latchkey } from '@latchkey/core'
import type { Figures } from '../benchmark.ts'
import { sizeOf } from '../size.ts'
import { median, time } from '../statistics.ts'
import { message } from './message.ts'

const ROUNDS = sizeOf('BENCH_RELAY_BLOCKS', 16)
const WARM_LISTS = 20
/** So that no program is met cold, only lists are. */
const WARM_UP_ROUNDS = 3
const COUNTS = [1, 5, 20] as const

type Count = (typeof COUNTS)[number]

/** An upstream that is asked without the gateway. */
export interface Direct {
  readonly url: string
  readonly credential?: Readonly<Record<string, string>>
}

/**
 * `tools/list` over 1, 5 and 20 upstreams. Cold is a user's first list, so that each upstream is asked what it speaks
 * and what it has; that of one connection is that of the slowest. Warm is every further list, out of memory.
 *
 * `direct` are the upstreams that the warm list of twenty is compared with, asked direct, in turns: `one` of them that
 * answers at once, with a list a twentieth as long; `one_as_long`, which lists as many tools as all twenty; and
 * `one_sdk_server`. The first two are a few lines that answer with constants, which no real MCP server is.
 */
export async function measureLists(
  latchkey: Latchkey,
  direct: Readonly<Record<string, Direct>>,
  say: (line: string) => void,
): Promise<Figures> {
  say(`${ROUNDS} new users who list the tools of 1, 5 and 20 connections`)
  const cold: Record<Count, number[]> = { 1: [], 5: [], 20: [] }
  const warm: Record<Count, number[]> = { 1: [], 5: [], 20: [] }
  const asked = Object.entries(direct).map(([name, { url, credential }]) => {
    return { name, list: message(url, 'tools/list', {}, credential), samples: new Array<number>() }
  })
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
    for (const count of COUNTS) {
      const list = message(
        await latchkey.mcpUrl(`lister${round}-${count}`, { config: `list${count}` }),
        'tools/list',
        {},
      )
      const [first = 0] = await time(1, list)
      const further = await time(WARM_LISTS, list)
      if (round < 0) continue
      cold[count].push(first)
      warm[count].push(...further)
    }
    for (const { list, samples } of asked) {
      const listed = await time(WARM_LISTS, list)
      if (round >= 0) samples.push(...listed)
    }
  }
  return {
    ...Object.fromEntries(COUNTS.map((count) => [`relay.list${count}_cold_ms`, median(cold[count])])),
    ...Object.fromEntries(COUNTS.map((count) => [`relay.list${count}_warm_ms`, median(warm[count])])),
    'relay.list20_cold_over_slowest': median(cold[20]) / median(cold[1]),
    ...Object.fromEntries(
      asked.map(({ name, samples }) => [`relay.list20_warm_over_${name}`, median(warm[20]) / median(samples)]),
    ),
  }
}
