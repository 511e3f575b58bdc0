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

/**
 * `tools/list` over 1, 5 and 20 upstreams. Cold is a user's first list, so that each upstream is asked what it speaks
 * and what it has; that of one connection is that of the slowest. Warm is every further list, out of memory.
 *
 * `list20_warm_over_one` compares it with the list of one of them that answers at once, asked direct, which is a twentieth
 * as long; `list20_warm_over_one_as_long` with that of an upstream that lists as many tools as all twenty.
 */
export async function measureLists(
  latchkey: Latchkey,
  direct: { readonly first: string; readonly whole: string },
  say: (line: string) => void,
): Promise<Figures> {
  say(`${ROUNDS} new users who list the tools of 1, 5 and 20 connections`)
  const cold: Record<Count, number[]> = { 1: [], 5: [], 20: [] }
  const warm: Record<Count, number[]> = { 1: [], 5: [], 20: [] }
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
  }
  const ofDirect = async (url: string) => median(await time(ROUNDS * WARM_LISTS, message(url, 'tools/list', {})))
  const [one, asLong] = [await ofDirect(direct.first), await ofDirect(direct.whole)]
  return {
    ...Object.fromEntries(COUNTS.map((count) => [`relay.list${count}_cold_ms`, median(cold[count])])),
    ...Object.fromEntries(COUNTS.map((count) => [`relay.list${count}_warm_ms`, median(warm[count])])),
    'relay.list20_cold_over_slowest': median(cold[20]) / median(cold[1]),
    'relay.list20_warm_over_one': median(warm[20]) / one,
    'relay.list20_warm_over_one_as_long': median(warm[20]) / asLong,
  }
}
