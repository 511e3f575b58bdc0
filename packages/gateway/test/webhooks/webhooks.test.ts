import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { GatewayError } from '../../src/errors.ts'
import { Secret } from '../../src/secret.ts'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import { openSecrets } from '../../src/webhooks/signingSecrets.ts'
import { answerStatus, isSignedWith, startReceiver } from './receiver.ts'
import { DAY, HOUR, openWorld, SECOND, START, temporaryDatabase, type World } from './world.ts'

const SOON = { interval: 1, timeout: 10_000 }

const delivered = async (world: World, id: string, eventId: string) =>
  await expect.poll(async () => (await world.delivery(id, eventId))?.status, SOON).toBe('delivered')

describe('createWebhooks', () => {
  it('shows a secret of 256 random bits once, and keeps it sealed', async () => {
    await using database = await temporaryDatabase()
    const store = await openSqliteStore(database.path)
    await using world = await openWorld({ store })
    const { endpoint, secret } = await world.create({ url: 'http://127.0.0.1:1/' })
    expect(secret.reveal()).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
    expect(Object.keys(endpoint)).not.toContain('sealedSecrets')
    for (const seen of [endpoint, await world.list(), await world.require(endpoint.id), world.lines]) {
      expect(JSON.stringify(seen)).not.toContain(secret.reveal().slice(6))
    }
    const spellings = [secret.reveal().slice(6), Buffer.from(secret.reveal().slice(6), 'base64').toString('hex')]
    for (const file of await readdir(database.folder)) {
      const bytes = await readFile(join(database.folder, file))
      for (const spelling of spellings) expect(bytes.includes(spelling)).toBe(false)
      expect(bytes.includes(Buffer.from(secret.reveal().slice(6), 'base64'))).toBe(false)
    }
    await store.close()
  })

  it.each([
    ['http://app.example/hook', 'not https'],
    ['https://10.0.0.1/hook', 'not a public one'],
    ['https://user:canary@app.example/', 'holds a user name'],
    ['ftp://app.example/', 'not https'],
    ['nonsense', 'not a URL'],
  ])('refuses the URL %s', async (url, reason) => {
    await using world = await openWorld()
    const refused = world.create({ url })
    await expect(refused).rejects.toMatchObject({ code: 'invalid_request', message: expect.stringContaining(reason) })
    await expect(refused).rejects.not.toThrow('canary')
    expect(await world.list()).toEqual([])
  })

  it('T60: does not sign with a secret that somebody put back in the database', async () => {
    await using world = await openWorld()
    const { endpoint } = await world.create({ url: 'http://127.0.0.1:1/' })
    const before = await world.store.webhooks.get(endpoint.id)
    await world.rotateSecret(endpoint.id, 0)
    const after = await world.store.webhooks.get(endpoint.id)
    if (before === undefined || after === undefined) throw new Error('there is no endpoint')
    expect(openSecrets(world.vault, after)).toHaveLength(1)
    expect(() => openSecrets(world.vault, { ...after, sealedSecrets: before.sealedSecrets })).toThrow(GatewayError)
  })

  it('has no more than 50', async () => {
    await using world = await openWorld()
    for (let count = 0; count < 50; count++) await world.create({ url: `http://127.0.0.1:1/${count}` })
    await expect(world.create({ url: 'http://127.0.0.1:1/' })).rejects.toMatchObject({ code: 'precondition' })
  })

  it('signs with the old secret too while a rotation overlaps, and with the new one alone after that', async () => {
    await using receiver = await startReceiver()
    await using world = await openWorld()
    const { endpoint, secret: old } = await world.create({ url: receiver.url })
    const { secret, previousExpiresAt } = await world.rotateSecret(endpoint.id, HOUR)
    expect(previousExpiresAt).toEqual(new Date(START + HOUR))
    await delivered(world, endpoint.id, await world.happen())
    world.advance(HOUR)
    await delivered(world, endpoint.id, await world.happen())
    const signed = receiver.received.map((one) => [old, secret].map((each) => isSignedWith(each.reveal(), one)))
    expect(signed).toEqual([
      [true, true],
      [false, true],
    ])
  })

  it('stops the old secret at once where the overlap is nothing', async () => {
    await using receiver = await startReceiver()
    await using world = await openWorld()
    const { endpoint, secret: old } = await world.create({ url: receiver.url })
    await world.rotateSecret(endpoint.id, DAY)
    const { secret } = await world.rotateSecret(endpoint.id, 0)
    await delivered(world, endpoint.id, await world.happen())
    const [one] = receiver.received
    expect(one && [old, secret].map((each) => isSignedWith(each.reveal(), one))).toEqual([false, true])
    expect(String(one?.headers['webhook-signature']).split(' ')).toHaveLength(1)
  })

  it('queues nothing while an endpoint is disabled, and sends it what was pending when it is enabled', async () => {
    await using receiver = await startReceiver(answerStatus(500))
    await using world = await openWorld()
    const { endpoint } = await world.create({ url: receiver.url })
    const pending = await world.happen()
    await expect.poll(async () => (await world.delivery(endpoint.id, pending))?.attempts, SOON).toBe(1)
    await world.update(endpoint.id, { enabled: false })
    const missed = await world.happen()
    receiver.answerWith(answerStatus(200))
    world.advance(5 * SECOND)
    await expect(world.replay(endpoint.id, pending)).rejects.toMatchObject({ code: 'precondition' })
    await world.update(endpoint.id, { enabled: true })
    await delivered(world, endpoint.id, pending)
    expect(await world.delivery(endpoint.id, missed)).toBeUndefined()
    expect(await world.replaySince(endpoint.id, { since: new Date(START), includeDelivered: false })).toBe(1)
    await delivered(world, endpoint.id, missed)
  })

  it('sends a delivery again on demand, with the same id', async () => {
    await using receiver = await startReceiver()
    await using world = await openWorld()
    const { endpoint } = await world.create({ url: receiver.url })
    const eventId = await world.happen()
    await delivered(world, endpoint.id, eventId)
    expect(await world.replay(endpoint.id, eventId)).toMatchObject({ status: 'pending', attempts: 0 })
    await receiver.count(2)
    expect(receiver.received.map(({ id }) => id)).toEqual([eventId, eventId])
    await delivered(world, endpoint.id, eventId)
    expect((await world.delivery(endpoint.id, eventId))?.attemptLog).toHaveLength(2)
  })

  it.each(['whk_none', '__proto__', ''])('knows no webhook %j', async (id) => {
    await using world = await openWorld()
    const notFound = { code: 'not_found' }
    await expect(world.require(id)).rejects.toMatchObject(notFound)
    await expect(world.update(id, {})).rejects.toMatchObject(notFound)
    await expect(world.delete(id)).rejects.toMatchObject(notFound)
    await expect(world.rotateSecret(id, 0)).rejects.toMatchObject(notFound)
    await expect(world.deliveries(id, { limit: 1 })).rejects.toMatchObject(notFound)
    await expect(world.replay(id, 'evt_1')).rejects.toMatchObject(notFound)
    await expect(world.replaySince(id, { since: new Date(0), includeDelivered: true })).rejects.toMatchObject(notFound)
  })
})

const aSecret = (byte: number) => new Secret(`whsec_${Buffer.alloc(32, byte).toString('base64')}`)
const SECRETS = [aSecret(1), aSecret(2)] as const

describe('syncWebhooks', () => {
  it('sends to what the configuration names, signed with its secret, and never makes it twice', async () => {
    await using receiver = await startReceiver()
    const store = await openSqliteStore(':memory:')
    const webhooks = [{ url: receiver.url, secret: SECRETS[0] }]
    for (let start = 0; start < 3; start++) {
      await using world = await openWorld({ store, webhooks })
      const [endpoint, ...others] = await world.list()
      expect(others).toEqual([])
      await delivered(world, endpoint?.id ?? '', await world.happen())
    }
    expect(receiver.received.map((one) => isSignedWith(SECRETS[0].reveal(), one))).toEqual([true, true, true])
    await store.close()
  })

  it('goes on signing with the secret that was there before for a day', async () => {
    await using receiver = await startReceiver()
    const store = await openSqliteStore(':memory:')
    await (await openWorld({ store, webhooks: [{ url: receiver.url, secret: SECRETS[0] }] })).close()
    await using world = await openWorld({ store, webhooks: [{ url: receiver.url, secret: SECRETS[1] }] })
    const [endpoint] = await world.list()
    await delivered(world, endpoint?.id ?? '', await world.happen())
    world.advance(DAY)
    await delivered(world, endpoint?.id ?? '', await world.happen())
    expect(receiver.received.map((one) => SECRETS.map((secret) => isSignedWith(secret.reveal(), one)))).toEqual([
      [true, true],
      [false, true],
    ])
    await store.close()
  })

  it('cannot be changed over the API; once it is removed it is disabled, and may be deleted', async () => {
    const store = await openSqliteStore(':memory:')
    const webhooks = [{ url: 'http://127.0.0.1:1/', secret: SECRETS[0] }]
    const before = await openWorld({ store, webhooks })
    const id = (await before.list())[0]?.id ?? ''
    const refused = { code: 'precondition' }
    await expect(before.update(id, { enabled: false })).rejects.toMatchObject(refused)
    await expect(before.rotateSecret(id, 0)).rejects.toMatchObject(refused)
    await expect(before.delete(id)).rejects.toMatchObject(refused)
    await before.close()
    const without = await openWorld({ store })
    expect(await without.require(id)).toMatchObject({ disabledReason: 'removed' })
    await without.close()
    const again = await openWorld({ store, webhooks })
    expect(await again.require(id)).toMatchObject({ disabledReason: undefined })
    await again.close()
    await using after = await openWorld({ store })
    await after.delete(id)
    expect(await after.list()).toEqual([])
  })
})
