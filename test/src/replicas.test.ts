import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createHttpBrowser } from './fixtures/browser/httpBrowser.ts'
import { type Replica, type Replicas, startReplicas } from './fixtures/replicas/startReplicas.ts'

const HOUR = 3_600_000
const GRACE_MS = 10_000
/** The benchmark `revocation` measures it; here the machine may be busy with other tests. */
const SOON_MS = 2_000

describe('three gateway processes on one Postgres', () => {
  let replicas: Replicas
  let counts: Replicas['provider']['counts']
  let first: Replica
  let second: Replica
  let third: Replica
  beforeAll(async () => {
    replicas = await startReplicas()
  })
  afterAll(async () => await replicas[Symbol.asyncDispose]())
  beforeEach(() => {
    const { all, provider } = replicas
    if (all[0] === undefined || all[1] === undefined || all[2] === undefined) throw new TypeError('There are fewer.')
    ;[first, second, third] = [all[0], all[1], all[2]]
    counts = provider.counts
    const failRefreshes = { status: 503, times: 0 }
    Object.assign(provider, { latencyMs: 0, held: Promise.resolve(), graceMs: 0, showsWayBack: false, failRefreshes })
  })

  const callAll = async (url: string, times: number) =>
    await Promise.all(
      Array.from({ length: times }, async (_, index) => await [first, second, third][index % 3]!.call(url)),
    )

  const statusOf = async (instanceId: string): Promise<unknown> => {
    const { connections } = await second.api('POST', `/api/v1/mcp/instances/${instanceId}:get_auth_state`, {})
    return Array.isArray(connections) ? connections[0].connected_account_status : undefined
  }

  /** Milliseconds until all of these say no, from now on. */
  async function timeToDenial(url: string, others: readonly Replica[]): Promise<number> {
    const from = performance.now()
    await Promise.all(others.map(async (one) => await expect.poll(() => one.call(url), POLL).toMatchObject(DENIED)))
    return performance.now() - from
  }
  const POLL = { interval: 5, timeout: 10_000 }
  const DENIED = { isDone: false, status: 404 }

  it('T63: make one token call for hundreds of calls on an expired grant, round after round', async () => {
    const { url } = await replicas.connect('ann')
    for (let round = 1; round <= 5; round += 1) {
      await replicas.advance(2 * HOUR)
      const before = counts.refreshes
      const results = await callAll(url, 300)
      expect(results.filter(({ isDone }) => !isDone)).toEqual([])
      expect(counts.refreshes - before).toBe(1)
    }
    expect(counts.reuses).toBe(0)
  })

  it('T63: share a failed refresh through the database, and ask again only after a while', async () => {
    const { id, url } = await replicas.connect('bea')
    await replicas.advance(2 * HOUR)
    replicas.provider.failRefreshes.times = 1
    const before = counts.refreshes
    const results = await callAll(url, 60)
    expect(results.filter(({ isDone }) => isDone)).toEqual([])
    for (const { body } of results) expect(body).toContain('did not renew its access')
    expect(counts.refreshes - before).toBe(1)
    expect(await statusOf(id)).toBe('ACTIVE')
    await replicas.advance(30_000)
    expect((await callAll(url, 60)).filter(({ isDone }) => !isDone)).toEqual([])
    expect(counts.refreshes - before).toBe(2)
  })

  it('T64: make one token call when the authorization server takes its time, and keep nobody else waiting', async () => {
    const { url } = await replicas.connect('cleo')
    const others = await Promise.all(Array.from({ length: 40 }, (_, index) => replicas.connect(`slow-${index}`)))
    await replicas.advance(2 * HOUR)
    const held = Promise.withResolvers<void>()
    replicas.provider.held = held.promise
    const before = counts.refreshes
    const slow = others.map(async (one, index) => await [first, second, third][index % 3]!.call(one.url))
    let isRenewed = false
    const results = callAll(url, 30).finally(() => (isRenewed = true))
    // Far more refreshes are under way than a process has connections to the database.
    await expect.poll(() => counts.refreshes - before, POLL).toBe(41)
    await Promise.all([first, second, third].map(async (one) => await replicas.ensure(one, 'dora')))
    expect(isRenewed).toBe(false)
    held.resolve()
    expect((await results).filter(({ isDone }) => !isDone)).toEqual([])
    expect((await Promise.all(slow)).filter(({ isDone }) => !isDone)).toEqual([])
    expect(counts.refreshes - before).toBe(41)
    expect(counts.reuses).toBe(0)
  })

  it('T65: keep the grant when a process is killed between the refresh and its answer', async () => {
    const { id, url } = await replicas.connect('eve')
    await replicas.advance(2 * HOUR)
    Object.assign(replicas.provider, { graceMs: GRACE_MS, latencyMs: 1_000 })
    const before = { ...counts }
    const lost = first.call(url).catch(() => 'lost')
    // The old refresh token is spent by now, and the new one is on its way.
    await expect.poll(() => counts.refreshes, POLL).toBe(before.refreshes + 1)
    await first.kill()
    expect(await lost).toBe('lost')
    // Nobody calls: the others find it by themselves.
    await expect.poll(() => counts.forgiven, POLL).toBe(before.forgiven + 1)
    replicas.provider.latencyMs = 0
    await expect.poll(() => second.call(url), POLL).toMatchObject({ isDone: true })
    expect(await third.call(url)).toMatchObject({ isDone: true })
    expect(counts.refreshes - before.refreshes).toBe(2)
    expect(await statusOf(id)).toBe('ACTIVE')
    await first.restart()
  })

  it('T65: settle at the start what was in doubt when all processes were killed', async () => {
    const { url } = await replicas.connect('finn')
    await replicas.advance(2 * HOUR)
    Object.assign(replicas.provider, { graceMs: GRACE_MS, latencyMs: 1_000 })
    const before = { ...counts }
    const lost = first.call(url).catch(() => 'lost')
    await expect.poll(() => counts.refreshes, POLL).toBe(before.refreshes + 1)
    await Promise.all(replicas.all.map(async (one) => await one.kill()))
    await lost
    replicas.provider.latencyMs = 0
    await Promise.all(replicas.all.map(async (one) => await one.restart()))
    await expect.poll(() => counts.forgiven, POLL).toBe(before.forgiven + 1)
    expect((await callAll(url, 9)).filter(({ isDone }) => !isDone)).toEqual([])
    expect(counts.refreshes - before.refreshes).toBe(2)
  })

  it('T25: redeem a code once when its callback comes fifty times to two processes', async () => {
    replicas.provider.showsWayBack = true
    const { id } = await replicas.ensure(first, 'gil')
    const browser = createHttpBrowser()
    const page = await browser.open(await replicas.linkOf(first, id))
    const callback = /http\S+callback\S+/.exec((await page.submit()).text)?.[0] ?? ''
    const cookie = await browser.cookies.getCookieString(callback)
    const before = counts.codes
    const answers = await Promise.all(
      Array.from({ length: 50 }, async (_, index) =>
        (index % 2 === 0 ? first : second).send(callback, { headers: { cookie } }),
      ),
    )
    expect(counts.codes - before).toBe(1)
    expect(answers.filter(({ status }) => status >= 500)).toEqual([])
    expect(await statusOf(id)).toBe('ACTIVE')
  })

  it('T69: tell a change to the streams of its user in other processes at once, and to nobody else', async () => {
    const { id } = await replicas.ensure(first, 'hal')
    using hal = await second.follow('hal')
    using ida = await third.follow('ida')
    const link = await replicas.linkOf(first, id)
    await replicas.consent(link)
    const at = performance.now()
    expect((await hal.says('ACTIVE')) - at).toBeLessThan(SOON_MS)
    await replicas.connect('ida')
    await ida.says('ACTIVE')
    expect(ida.text()).not.toContain('hal')
    expect(hal.text()).not.toContain('ida')
  })

  it('T67: deny a rotated URL in all processes at once', async () => {
    const { id, url } = await replicas.connect('jo')
    expect((await callAll(url, 3)).filter(({ isDone }) => !isDone)).toEqual([])
    await first.api('POST', `/api/v1/mcp/instances/${id}:rotate_url`, {})
    expect(await timeToDenial(url, [second, third])).toBeLessThan(SOON_MS)
  })

  it('T67: deny a revoked user in all processes within seconds when notifications are lost', async () => {
    const { postgres, databaseUrl } = replicas
    const { url } = await replicas.connect('kim')
    expect((await callAll(url, 3)).filter(({ isDone }) => !isDone)).toEqual([])
    using stream = await second.follow('kim')
    for (const log of ['events', 'changes']) await postgres.query(`alter table ${log} disable trigger all`, databaseUrl)
    try {
      await first.api('POST', '/api/v1/users:revoke', { identifier: 'kim' })
      expect(await timeToDenial(url, [second, third])).toBeLessThan(5_000)
      await stream.says('DISCONNECTED')
    } finally {
      for (const log of ['events', 'changes'])
        await postgres.query(`alter table ${log} enable trigger all`, databaseUrl)
    }
  })

  it('T67: hear again of what others commit after the connection that listens was cut', async () => {
    const { postgres, databaseUrl } = replicas
    const cut = `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'latchkey session'`
    await postgres.query(cut, databaseUrl)
    const { id, url } = await replicas.connect('lou')
    expect((await callAll(url, 3)).filter(({ isDone }) => !isDone)).toEqual([])
    // The locks were on such a connection too.
    await replicas.advance(2 * HOUR)
    const before = counts.refreshes
    expect((await callAll(url, 30)).filter(({ isDone }) => !isDone)).toEqual([])
    expect(counts.refreshes - before).toBe(1)
    await first.api('POST', `/api/v1/mcp/instances/${id}:rotate_url`, {})
    expect(await timeToDenial(url, [second, third])).toBeLessThan(SOON_MS)
  })
})
