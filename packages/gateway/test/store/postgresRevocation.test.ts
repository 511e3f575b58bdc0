import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type PostgresServer, startPostgres } from '../../../../test/src/fixtures/postgres/startPostgres.ts'
import { Secret } from '../../src/secret.ts'
import { openPostgresStore } from '../../src/store/postgres/open.ts'
import { openRooms, OPTIONS, type Rooms } from '../control/openRooms.ts'

const ROUNDS = 100

let postgres: PostgresServer
let replicas: readonly [Rooms, Rooms]
beforeAll(async () => {
  postgres = await startPostgres()
  const url = new Secret(await postgres.createDatabase())
  const open = async () => await openRooms(OPTIONS, await openPostgresStore(url))
  replicas = [await open(), await open()]
})
afterAll(async () => {
  for (const rooms of replicas) await rooms.close()
  await postgres[Symbol.asyncDispose]()
})

describe('revokeUser on two processes of one Postgres', () => {
  it('lets nothing live that began before, whoever is faster', async () => {
    const [one, other] = replicas
    const config = await one.configs.requireByName('email-agent')
    let refused = 0
    for (let round = 0; round < ROUNDS; round++) {
      const user = `user-${round}`
      const asOf = { configId: config.id, epoch: await one.revocations.epoch(user, config.id) }
      const outcomes = await Promise.allSettled([
        one.instances.ensure(config, user, undefined, asOf),
        other.accounts.ensureForConfig(config, user, asOf).then(async ([mail]) => {
          return mail && (await other.accounts.createLink(mail.account))
        }),
        other.revocations.revokeUser(user),
        other.instances.ensure(config, user, undefined, asOf),
        one.accounts.ensureForConfig(config, user, asOf),
      ])
      const refusals: unknown[] = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []))
      for (const refusal of refusals) expect(refusal).toMatchObject({ code: 'conflict' })
      refused += refusals.length
      expect(await one.store.instances.find(config.id, user)).toBeUndefined()
      expect(await one.store.accounts.count({ userIdentifier: user })).toBe(0)
      expect(await one.store.links.countOpen(user, new Date(0))).toBe(0)
    }
    // Else nothing was tried.
    expect(refused).toBeGreaterThan(0)
    expect(refused).toBeLessThan(ROUNDS * 4)
  })

  it('names an account in one receipt only when two revoke at the same time', async () => {
    const [one, other] = replicas
    const { url } = await one.accounts.createLink(await one.accountOf('search-agent', 'anna', 'search'))
    await one.connect(url.reveal())
    const receipts = await Promise.all(replicas.map((rooms) => rooms.revocations.revokeUser('anna')))
    const accounts = receipts.flatMap(({ connectedAccounts }) => connectedAccounts)
    expect(accounts).toMatchObject([{ connectionName: 'search', upstreamRevocation: 'not_applicable' }])
    expect(await other.revocations.epoch('anna')).toBe(2)
  })
})
