import { sessionTokenSchema } from '@latchkey/core/wire'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { openRooms, type Rooms } from './openRooms.ts'

const CONFIGS = '/api/v1/mcp/configs'
const DAY_MS = 24 * 60 * 60 * 1_000

let rooms: Rooms
beforeEach(async () => {
  rooms = await openRooms()
})
afterEach(() => rooms.close())

async function post(path: string, body: unknown, key?: string, client = 'app') {
  const { token } = await rooms.keys.signAccessToken(client)
  const response = await rooms.app.request(path, {
    method: 'POST',
    headers: {
      Authorization: `Bearer ${token.reveal()}`,
      'Content-Type': 'application/json',
      ...(key !== undefined && { 'Idempotency-Key': key }),
    },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  const { status, headers } = response
  return { status, isReplay: headers.get('Idempotency-Replayed') === 'true', headers, text: await response.text() }
}
const config = (name: string) => ({ name, connection_tool_mappings: [{ connection_name: 'docs' }] })
const tokensPath = async () => `${CONFIGS}/${(await rooms.configs.requireByName('reader')).id}/tokens`
const ensure = () => post('/api/v1/mcp/instances', { config_name: 'reader', user_identifier: 'u' }, 'k1')
const errorOf = (text: string) => z.object({ code: z.string(), details: z.array(z.unknown()) }).parse(JSON.parse(text))

describe('Idempotency-Key', () => {
  it('T70: answers a request that is sent again as it answered the first, and does nothing', async () => {
    const first = await post(CONFIGS, config('mine'), 'k1')
    const again = await post(CONFIGS, config('mine'), 'k1')
    expect([first.status, first.isReplay]).toEqual([201, false])
    expect([again.status, again.isReplay, again.text]).toEqual([201, true, first.text])
    expect(again.headers.get('Content-Type')).toBe(first.headers.get('Content-Type'))
    expect(again.headers.get('Cache-Control')).toBe('no-store')
    expect(await rooms.configs.count({ namePrefix: 'mine' })).toBe(1)
  })

  it('T70: gives the very token again, and keeps it sealed', async () => {
    const first = await post(await tokensPath(), { identifier: 'u' }, 'k1')
    rooms.advance(60_000)
    const again = await post(await tokensPath(), { identifier: 'u' }, 'k1')
    const { token } = sessionTokenSchema.parse(JSON.parse(first.text))
    expect(sessionTokenSchema.parse(JSON.parse(again.text)).token).toBe(token)
    expect((await post(await tokensPath(), { identifier: 'u' })).text).not.toContain(token)
    const column = { table: 'idempotency_keys', column: 'sealed_answer', key: ['key_hash'] }
    const heads = await rooms.store.sealed.heads(column, { bytes: 100_000, after: undefined, limit: 10 })
    expect(heads).toHaveLength(1)
    const stored = Buffer.from(heads[0]?.head ?? [])
    for (const part of token.split('.')) expect(stored.includes(part)).toBe(false)
  })

  it('T70: gives the same refusal again, also when it would not be refused any more', async () => {
    const body = { identifier: 'u' }
    const path = `${CONFIGS}/${(await rooms.configs.requireByName('search-agent')).id}/tokens`
    const first = await post(path, body, 'k1')
    expect(first.status).toBe(400)
    const { url } = await rooms.accounts.createLink(await rooms.accountOf('search-agent', 'u', 'search'))
    await rooms.connect(url.reveal())
    expect(await post(path, body, 'k1')).toMatchObject({ status: 400, text: first.text, isReplay: true })
    expect((await post(path, body, 'k2')).status).toBe(200)
  })

  it("T70: gives the same error of the server's again", async () => {
    const path = await tokensPath()
    const sign = rooms.keys.signSessionToken.bind(rooms.keys)
    rooms.keys.signSessionToken = () => Promise.reject(new Error('canary'))
    const first = await post(path, { identifier: 'u' }, 'k1')
    rooms.keys.signSessionToken = sign
    expect(first.status).toBe(500)
    expect(await post(path, { identifier: 'u' }, 'k1')).toMatchObject({ status: 500, text: first.text, isReplay: true })
  })

  it('T70: refuses the same key with another body, in plain words', async () => {
    await post(CONFIGS, config('mine'), 'k1')
    const { status, text } = await post(CONFIGS, config('other'), 'k1')
    expect([status, errorOf(text).details]).toEqual([422, [{ error_code: 'key_reused' }]])
    expect(text).toContain('Take a new key')
    expect(await rooms.configs.getByName('other')).toBeUndefined()
  })

  it('T70: carries out one of 100 that come at once; the others get a conflict, which is not kept', async () => {
    const path = await tokensPath()
    const release = Promise.withResolvers<void>()
    const sign = rooms.keys.signSessionToken.bind(rooms.keys)
    rooms.keys.signSessionToken = async (...of) => await release.promise.then(() => sign(...of))
    const refused: string[] = []
    const all = Array.from({ length: 100 }, async () => {
      const answer = await post(path, { identifier: 'u' }, 'k1')
      // The one that is carried out ends only after all the others.
      if (answer.status === 409 && refused.push(answer.text) === 99) release.resolve()
      return answer
    })
    const carriedOut = (await Promise.all(all)).filter(({ status }) => status === 200)
    expect(carriedOut).toHaveLength(1)
    for (const text of refused) expect(errorOf(text)).toMatchObject({ details: [{ error_code: 'in_progress' }] })
    expect(await post(path, { identifier: 'u' }, 'k1')).toMatchObject({ text: carriedOut[0]?.text, isReplay: true })
  })

  it('T70: keeps the keys of clients and of paths apart', async () => {
    await post(CONFIGS, config('mine'), 'k1')
    expect(await post(CONFIGS, config('theirs'), 'k1', 'other')).toMatchObject({ status: 201, isReplay: false })
    expect(await post(await tokensPath(), { identifier: 'u' }, 'k1')).toMatchObject({ status: 200, isReplay: false })
    expect(await post(`${CONFIGS}?other`, config('third'), 'k1')).toMatchObject({ status: 201, isReplay: false })
  })

  it('T70: answers what was carried out although the answer cannot be kept, and does not carry it out again', async () => {
    const { idempotency } = rooms.store
    const save = idempotency.save.bind(idempotency)
    Object.assign(idempotency, { save: () => Promise.reject(new Error('the database is away')) })
    expect((await post(CONFIGS, config('mine'), 'k1')).status).toBe(201)
    Object.assign(idempotency, { save })
    expect((await post(CONFIGS, config('mine'), 'k1')).status).toBe(409)
    expect(await rooms.configs.count({ namePrefix: 'mine' })).toBe(1)
  })

  it('T70: keeps an answer that could not be kept at first', async () => {
    const { idempotency } = rooms.store
    const save = idempotency.save.bind(idempotency)
    Object.assign(idempotency, {
      save: () => (Object.assign(idempotency, { save }), Promise.reject(new Error('the database is away'))),
    })
    const first = await post(CONFIGS, config('mine'), 'k1')
    const again = await post(CONFIGS, config('mine'), 'k1')
    expect([again.status, again.isReplay, again.text]).toEqual([201, true, first.text])
  })

  it('T70: remembers for 24 hours at least, and not for ever', async () => {
    const first = await post(CONFIGS, config('mine'), 'k1')
    const START = Date.parse('2026-07-28T10:00:00.000Z')
    await rooms.store.forgetExpired(new Date(START))
    expect(await post(CONFIGS, config('mine'), 'k1')).toMatchObject({ text: first.text, isReplay: true })
    await rooms.store.forgetExpired(new Date(START + DAY_MS))
    expect(await post(CONFIGS, config('mine'), 'k1')).toMatchObject({ status: 409, isReplay: false })
  })

  it('does not keep the refusal of a body that is wrong, so that it can be set right', async () => {
    expect((await post(CONFIGS, '{', 'k1')).status).toBe(400)
    expect((await post(CONFIGS, { name: 'mine' }, 'k1')).status).toBe(400)
    expect(await post(CONFIGS, config('mine'), 'k1')).toMatchObject({ status: 201, isReplay: false })
  })

  it.each([
    ['empty', ''],
    ['longer than 255 characters', 'k'.repeat(256)],
    ['with a space in it', 'a b'],
    ['with other than ASCII', 'ü'],
  ])('refuses a key that is %s', async (_, key) => {
    const { status, text } = await post(CONFIGS, config('mine'), key)
    expect(status).toBe(400)
    expect(text).toContain('Idempotency-Key: must be')
  })

  it('takes a key of 255 characters', async () => {
    expect((await post(CONFIGS, config('mine'), 'k'.repeat(255))).status).toBe(201)
  })

  it('asks no key of what may be repeated anyway: it gets the state as it is now', async () => {
    const instance = z
      .object({ instance: z.object({ id: z.string() }) })
      .parse(JSON.parse((await ensure()).text)).instance
    expect((await ensure()).isReplay).toBe(false)
    const state = () => post(`/api/v1/mcp/instances/${instance.id}:get_auth_state`, {}, 'k1')
    await state()
    expect((await state()).isReplay).toBe(false)
  })
})
