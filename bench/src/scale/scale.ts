import { startPostgres, temporaryFolder } from '@latchkey/test/fixtures'
import { join } from 'node:path'
import type { Benchmark, Figures } from '../benchmark.ts'
import { median } from '../statistics.ts'
import { fillPostgres } from './fillPostgres.ts'
import { fillSqlite } from './fillSqlite.ts'
import { openSubject, type Place, type Subject } from './subject.ts'

const FEW = 1_000
const MANY = 1_000_000
const WARM_UP_ROUNDS = 100
/** Each round takes a user whom nobody has asked about before, so that no cache of the gateway's helps the few. */
const ROUNDS = 800

/** The same requests with a thousand times as many users in the database. */
export const scale: Benchmark = {
  name: 'scale',
  title: `ensure, auth state and the endpoint's lookup with ${MANY} instances, against the same with ${FEW}; on both stores`,
  async run(say) {
    await using stack = new AsyncDisposableStack()
    const folder = stack.use(await temporaryFolder()).path
    const postgres = stack.use(await startPostgres())
    const sqlite = (count: number): Place => {
      const path = join(folder, `${count}.db`)
      return { database: `sqlite:${path}`, fill: async () => fillSqlite(path, count) }
    }
    const server = async (count: number): Promise<Place> => {
      const database = await postgres.createDatabase()
      return { database, fill: async () => await fillPostgres(postgres, database, count) }
    }
    const open = async (place: Place) => stack.use(await openSubject(place))
    say(`${ROUNDS} rounds, in each of which both sizes answer the same requests; medians`)
    return {
      ...figures('', await compare(await open(sqlite(FEW)), await open(sqlite(MANY)))),
      ...figures('.postgres', await compare(await open(await server(FEW)), await open(await server(MANY)))),
    }
  },
}

const REQUESTS = ['ensure', 'ensureNew', 'authState', 'lookup'] as const
type Times = Record<(typeof REQUESTS)[number], { few: number[]; many: number[] }>

/** Which of the two goes first changes from round to round. */
async function compare(few: Subject, many: Subject): Promise<Times> {
  const times: Times = {
    ensure: { few: [], many: [] },
    ensureNew: { few: [], many: [] },
    authState: { few: [], many: [] },
    lookup: { few: [], many: [] },
  }
  const sizes = [
    { subject: few, size: 'few', step: 1 },
    { subject: many, size: 'many', step: MANY / FEW },
  ] as const
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round += 1) {
    for (const request of REQUESTS) {
      for (const { subject, size, step } of round % 2 === 0 ? sizes : sizes.toReversed()) {
        const ms = await subject[request](request === 'ensureNew' ? `new-${round}` : `user-${round * step}`)
        if (round >= WARM_UP_ROUNDS) times[request][size].push(ms)
      }
    }
  }
  return times
}

function figures(store: string, { ensure, ensureNew, authState, lookup }: Times): Figures {
  return {
    // The worse of the two: of users who have an instance, and of new ones.
    [`scale.ensure_1e6_over_1e3${store}`]: Math.max(ratio(ensure), ratio(ensureNew)),
    [`scale.auth_state_1e6_over_1e3${store}`]: ratio(authState),
    [`scale.lookup_1e6_over_1e3${store}`]: ratio(lookup),
    [`scale.ensure_1e6_ms${store}`]: median(ensure.many),
    [`scale.ensure_new_1e6_ms${store}`]: median(ensureNew.many),
    [`scale.auth_state_1e6_ms${store}`]: median(authState.many),
    [`scale.lookup_1e6_ms${store}`]: median(lookup.many),
  }
}

function ratio({ few, many }: { few: number[]; many: number[] }): number {
  return median(many) / median(few)
}
