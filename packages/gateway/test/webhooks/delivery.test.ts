import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http'
import { fileURLToPath } from 'node:url'
import { Webhook } from 'standardwebhooks'
import { describe, expect, it } from 'vitest'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import { answerStatus, isSignedWith, startReceiver, type Received } from './receiver.ts'
import { DAY, HOUR, MINUTE, openWorld, SECOND, START, temporaryDatabase, type World } from './world.ts'

const NOTHING: Pick<Received, 'body' | 'headers'> = { body: '', headers: {} }
const SOON = { interval: 1, timeout: 10_000 }
const reading = (world: World, id: string, eventId: string) => async () => await world.delivery(id, eventId)

const flat = (headers: IncomingHttpHeaders) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))

describe('createWebhookRoom', () => {
  it('sends a request that the Standard Webhooks library verifies', async () => {
    await using receiver = await startReceiver()
    await using world = await openWorld({ clock: Date.now })
    const { endpoint, secret } = await world.create({ url: receiver.url })
    const eventId = await world.happen()
    await receiver.count(1)
    const { body, headers } = receiver.received[0] ?? NOTHING
    expect(new Webhook(secret.reveal()).verify(body, flat(headers))).toEqual({
      id: eventId,
      sequence: 1,
      user: 'u1',
      status: 'ACTIVE',
    })
    expect(headers).toMatchObject({ 'webhook-id': eventId, 'content-type': 'application/json' })
    expect(headers['webhook-timestamp']).toMatch(/^\d{10}$/)
    await expect.poll(reading(world, endpoint.id, eventId), SOON).toMatchObject({
      status: 'delivered',
      attempts: 1,
      nextAttemptAt: undefined,
      attemptLog: [{ responseStatus: 204, error: undefined }],
    })
  })

  it('tries again after 5 s, 5 min, 30 min, 2 h, 5 h and then every 10 h, with the same id, and gives up in the end', async () => {
    await using receiver = await startReceiver(answerStatus(500))
    await using world = await openWorld()
    const { endpoint, secret } = await world.create({ url: receiver.url })
    const eventId = await world.happen()
    const tenHours = Array.from({ length: 5 }, () => 10 * HOUR)
    const delays = [5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, ...tenHours]
    let at = START
    for (const [index, delay] of delays.entries()) {
      const nextAttemptAt = new Date(at + delay)
      await expect
        .poll(reading(world, endpoint.id, eventId), SOON)
        .toMatchObject({ status: 'pending', attempts: index + 1, nextAttemptAt })
      world.advance(delay)
      at += delay
    }
    await expect
      .poll(reading(world, endpoint.id, eventId), SOON)
      .toMatchObject({ status: 'failed', attempts: 11, nextAttemptAt: undefined })
    expect(receiver.received).toHaveLength(11)
    expect(new Set(receiver.received.map(({ id }) => id))).toEqual(new Set([eventId]))
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-timestamp'])).size).toBe(11)
    expect(receiver.received.every((one) => isSignedWith(secret.reveal(), one))).toBe(true)
  })

  it('does not come back sooner than Retry-After says, in seconds or as a date', async () => {
    await using receiver = await startReceiver(answerStatus(429, { 'retry-after': '120' }))
    await using world = await openWorld()
    const { endpoint } = await world.create({ url: receiver.url })
    const first = await world.happen()
    await expect
      .poll(reading(world, endpoint.id, first), SOON)
      .toMatchObject({ nextAttemptAt: new Date(START + 120 * SECOND) })
    receiver.answerWith(answerStatus(503, { 'retry-after': new Date(START + HOUR).toUTCString() }))
    const second = await world.happen()
    await expect
      .poll(reading(world, endpoint.id, second), SOON)
      .toMatchObject({ nextAttemptAt: new Date(START + HOUR) })
    receiver.answerWith(answerStatus(503, { 'retry-after': '999999999' }))
    const third = await world.happen()
    await expect.poll(reading(world, endpoint.id, third), SOON).toMatchObject({ nextAttemptAt: new Date(START + DAY) })
  })

  it('adds jitter, and never takes any off', async () => {
    await using receiver = await startReceiver(answerStatus(500))
    await using world = await openWorld({ random: () => 1 })
    const { endpoint } = await world.create({ url: receiver.url })
    const eventId = await world.happen()
    await expect
      .poll(reading(world, endpoint.id, eventId), SOON)
      .toMatchObject({ nextAttemptAt: new Date(START + 6 * SECOND) })
  })

  it('gives up waiting for a receiver that hangs, and tries again later', async () => {
    await using receiver = await startReceiver(() => undefined)
    await using world = await openWorld({ timeoutMs: 40 })
    const { endpoint } = await world.create({ url: receiver.url })
    const eventId = await world.happen()
    const error = 'The receiver did not answer within 0.04 s.'
    await expect.poll(reading(world, endpoint.id, eventId), SOON).toMatchObject({
      status: 'pending',
      attempts: 1,
      attemptLog: [{ responseStatus: undefined, error }],
    })
  })

  it('counts an answer whose body never ends as delivered, by its status', async () => {
    await using receiver = await startReceiver((_one, response) => response.writeHead(200).write('x'))
    await using world = await openWorld({ timeoutMs: 40 })
    const { endpoint } = await world.create({ url: receiver.url })
    const eventId = await world.happen()
    await expect.poll(reading(world, endpoint.id, eventId), SOON).toMatchObject({ status: 'delivered' })
  })

  it('does not follow a redirect', async () => {
    await using target = await startReceiver()
    await using receiver = await startReceiver(answerStatus(307, { location: target.url }))
    await using world = await openWorld()
    const { endpoint } = await world.create({ url: receiver.url })
    const eventId = await world.happen()
    await expect.poll(reading(world, endpoint.id, eventId), SOON).toMatchObject({
      status: 'pending',
      attemptLog: [{ error: expect.stringContaining('redirect') }],
    })
    expect(target.received).toEqual([])
  })

  it('goes on when a receiver is killed and comes back', async () => {
    const first = await startReceiver()
    await using world = await openWorld()
    const { endpoint } = await world.create({ url: first.url })
    await first.close()
    const eventId = await world.happen()
    await expect
      .poll(reading(world, endpoint.id, eventId), SOON)
      .toMatchObject({ attempts: 1, attemptLog: [{ responseStatus: undefined }] })
    await using second = await startReceiver(answerStatus(200), first.port)
    world.advance(5 * SECOND)
    await second.count(1)
    await expect.poll(reading(world, endpoint.id, eventId), SOON).toMatchObject({ status: 'delivered', attempts: 2 })
  })

  it('T40: sends nothing to an address that is not public, whatever was allowed when it was set', async () => {
    await using world = await openWorld({ checkUrl: () => undefined })
    const { endpoint } = await world.create({ url: 'https://169.254.169.254/latest/meta-data' })
    const eventId = await world.happen()
    await expect.poll(reading(world, endpoint.id, eventId), SOON).toMatchObject({
      status: 'pending',
      attemptLog: [{ responseStatus: undefined, error: expect.stringContaining('not a public one') }],
    })
  })

  it('disables an endpoint that answers 410, logs that without its URL, and sends it nothing more', async () => {
    await using receiver = await startReceiver(answerStatus(410))
    await using world = await openWorld()
    const { endpoint } = await world.create({ url: receiver.url })
    const eventId = await world.happen()
    await expect.poll(async () => (await world.require(endpoint.id)).disabledReason, SOON).toBe('gone')
    await expect.poll(reading(world, endpoint.id, eventId), SOON).toMatchObject({ status: 'failed', attempts: 1 })
    const later = await world.happen()
    expect(await world.delivery(endpoint.id, later)).toBeUndefined()
    expect(world.lines).toMatchObject([{ level: 'warn', webhookId: endpoint.id, reason: 'gone' }])
    expect(JSON.stringify(world.lines)).not.toContain('canary')
  })

  it('disables an endpoint at which nothing has arrived for five days; enabled again, it gets what is pending', async () => {
    await using receiver = await startReceiver(answerStatus(500))
    await using world = await openWorld()
    const { endpoint } = await world.create({ url: receiver.url })
    const first = await world.happen()
    await expect.poll(reading(world, endpoint.id, first), SOON).toMatchObject({ attempts: 1 })
    await expect.poll(async () => (await world.require(endpoint.id)).failingSince, SOON).toEqual(new Date(START))
    world.advance(5 * DAY)
    await expect.poll(async () => (await world.require(endpoint.id)).disabledReason, SOON).toBe('failing')
    await expect.poll(reading(world, endpoint.id, first), SOON).toMatchObject({ status: 'pending', attempts: 2 })
    receiver.answerWith(answerStatus(200))
    world.advance(DAY)
    expect(await world.update(endpoint.id, { enabled: true })).toMatchObject({
      disabledReason: undefined,
      failingSince: undefined,
    })
    await expect.poll(reading(world, endpoint.id, first), SOON).toMatchObject({ status: 'delivered' })
  })

  it('forgets that an endpoint failed as soon as something arrives', async () => {
    await using receiver = await startReceiver(answerStatus(500))
    await using world = await openWorld()
    const { endpoint } = await world.create({ url: receiver.url })
    const eventId = await world.happen()
    await expect.poll(async () => (await world.require(endpoint.id)).failingSince, SOON).toEqual(new Date(START))
    receiver.answerWith(answerStatus(200))
    world.advance(5 * SECOND)
    await expect.poll(reading(world, endpoint.id, eventId), SOON).toMatchObject({ status: 'delivered' })
    await expect.poll(async () => (await world.require(endpoint.id)).failingSince, SOON).toBeUndefined()
  })

  it('does not let a slow endpoint delay another, and sends an endpoint only so many requests at once', async () => {
    await using slow = await startReceiver(() => undefined)
    await using quick = await startReceiver()
    await using world = await openWorld({ concurrency: 3 })
    await world.create({ url: slow.url })
    await world.create({ url: quick.url })
    for (let count = 0; count < 20; count++) await world.happen()
    await quick.count(20)
    expect(slow.mostAtOnce()).toBe(3)
    expect(quick.mostAtOnce()).toBeLessThanOrEqual(3)
    await slow.close()
  })

  it('sends events in their order while nothing fails and one is sent at a time', async () => {
    await using receiver = await startReceiver()
    await using world = await openWorld({ concurrency: 1 })
    await world.create({ url: receiver.url })
    const ids = []
    for (let count = 0; count < 10; count++) ids.push(await world.happen())
    await receiver.count(10)
    expect(receiver.received.map(({ id }) => id)).toEqual(ids)
  })

  it('sends what a dead process had claimed when the claim has run out', async () => {
    await using receiver = await startReceiver()
    await using world = await openWorld()
    const { endpoint } = await world.create({ url: receiver.url })
    const until = new Date(START + MINUTE)
    const dead = { endpointId: endpoint.id, claim: 'dead', now: new Date(START), until, limit: 1 }
    // Queued as by another process: nobody here is told of it.
    const event = await world.store.transaction(async (inner) => {
      const appended = await inner.events.append({
        id: 'evt_lost',
        accountId: 'ca_1',
        userIdentifier: 'u',
        connectionId: 'conn_1',
        status: 'ACTIVE',
        oldStatus: 'PENDING_AUTH',
        occurredAt: new Date(START),
      })
      await inner.webhooks.enqueue(appended, new Date(START))
      await inner.webhooks.claim(dead)
      return appended
    })
    world.advance(MINUTE - 1)
    const other = await world.happen()
    await expect.poll(reading(world, endpoint.id, other), SOON).toMatchObject({ status: 'delivered' })
    expect(receiver.received.map(({ id }) => id)).toEqual([other])
    world.advance(1)
    await expect.poll(reading(world, endpoint.id, event.id), SOON).toMatchObject({ status: 'delivered', attempts: 1 })
  })

  it('says why an event cannot be sent when it or its connection is not there any more', async () => {
    await using receiver = await startReceiver()
    await using world = await openWorld({ statusEvents: () => undefined })
    const { endpoint } = await world.create({ url: receiver.url })
    const eventId = await world.happen()
    await expect.poll(reading(world, endpoint.id, eventId), SOON).toMatchObject({
      status: 'failed',
      attemptLog: [{ error: expect.stringContaining('connection') }],
    })
    expect(receiver.received).toEqual([])
  })

  it('waits for the answers when it closes, and gives up those that take too long without counting them', async () => {
    await using receiver = await startReceiver((_one, response) => setTimeout(() => response.end(), 20))
    const store = await openSqliteStore(':memory:')
    const world = await openWorld({ store, drainMs: 100 })
    const { endpoint } = await world.create({ url: receiver.url })
    const answered = await world.happen()
    await receiver.count(1)
    receiver.answerWith(() => undefined)
    const hanging = await world.happen()
    await receiver.count(2)
    await world.close()
    expect(await store.webhooks.delivery(endpoint.id, answered)).toMatchObject({ status: 'delivered' })
    expect(await store.webhooks.delivery(endpoint.id, hanging)).toMatchObject({
      status: 'pending',
      attempts: 0,
      nextAttemptAt: new Date(START + 5 * SECOND),
      attemptLog: [{ error: 'The gateway was closing.' }],
    })
    await store.close()
  })

  it('lets two gateways on one database share the work: each delivery is sent by one of them', async () => {
    await using folder = await temporaryDatabase()
    await using receiver = await startReceiver()
    const stores = [await openSqliteStore(folder.path), await openSqliteStore(folder.path)] as const
    const worlds = await Promise.all(stores.map((store) => openWorld({ store })))
    await worlds[0]?.create({ url: receiver.url })
    const ids = []
    for (let count = 0; count < 20; count++) for (const world of worlds) ids.push(await world.happen())
    await receiver.count(ids.length)
    for (const world of worlds) await world.close()
    expect(receiver.received.map(({ id }) => id).toSorted()).toEqual(ids.toSorted())
    for (const store of stores) await store.close()
  })

  it('sends after a restart everything that had been committed before', async () => {
    await using folder = await temporaryDatabase()
    await using receiver = await startReceiver(() => undefined)
    const before = await openSqliteStore(folder.path)
    const dead = await openWorld({ store: before, drainMs: 0 })
    const { endpoint } = await dead.create({ url: receiver.url })
    const ids = []
    for (let count = 0; count < 10; count++) ids.push(await dead.happen())
    await dead.close()
    await before.close()
    await using quick = await startReceiver()
    const after = await openSqliteStore(folder.path)
    await after.webhooks.update(endpoint.id, { url: quick.url, updatedAt: new Date(START) })
    const world = await openWorld({ store: after })
    world.advance(MINUTE)
    await quick.count(10)
    expect(quick.received.map(({ id }) => id).toSorted()).toEqual(ids.toSorted())
    await world.close()
    await after.close()
  })

  it('loses nothing that was committed when the process is killed again and again', async () => {
    await using folder = await temporaryDatabase()
    await using receiver = await startReceiver()
    const store = await openSqliteStore(folder.path)
    const before = await openWorld({ store })
    const { endpoint } = await before.create({ url: receiver.url })
    await before.close()
    const committed: string[] = []
    for (let kill = 0; kill < 3; kill++) committed.push(...(await killedAfter(folder.path, 25)))
    await using world = await openWorld({ store })
    world.advance(MINUTE)
    for (const id of committed) {
      await expect.poll(reading(world, endpoint.id, id), SOON).toMatchObject({ status: 'delivered' })
    }
    const received = new Set(receiver.received.map(({ id }) => id))
    expect(committed.filter((id) => !received.has(id))).toEqual([])
    expect(committed.length).toBeGreaterThanOrEqual(75)
    await store.close()
  })
})

/** Gives what a process says that it has committed, before it is killed with so many lines said. */
async function killedAfter(path: string, lines: number): Promise<string[]> {
  const script = fileURLToPath(new URL('./happenForever.ts', import.meta.url))
  const child = spawn(process.execPath, ['--conditions=@latchkey/source', script, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  let said = ''
  for await (const chunk of child.stdout) {
    said += String(chunk)
    if (said.split('\n').length > lines) child.kill('SIGKILL')
  }
  await exited
  // The last line may be cut.
  return said.split('\n').slice(0, -1)
}
