import { STATUS_EVENT_TYPE, statusEventSchema } from '@latchkey/core/wire'
import { EventSourceParserStream, type EventSourceMessage } from 'eventsource-parser/stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openRooms, START, type Rooms } from './openRooms.ts'

let rooms: Rooms
let accessToken: string
const readers: { cancel: () => Promise<void> }[] = []
beforeEach(async () => {
  rooms = await openRooms()
  accessToken = (await rooms.keys.signAccessToken('app')).token.reveal()
})
afterEach(async () => {
  for (const reader of readers.splice(0)) await reader.cancel()
  await rooms.close()
})

async function request(query: string, headers: Record<string, string> = {}): Promise<Response> {
  return await rooms.app.request(`/api/v1/events?${query}`, {
    headers: { Authorization: `Bearer ${accessToken}`, ...headers },
  })
}

/** An open stream: it has been told that it is subscribed. */
async function open(query: string, headers: Record<string, string> = {}) {
  const response = await request(query, headers)
  const comments: string[] = []
  const { promise: commented, resolve: onComment } = Promise.withResolvers<void>()
  const parser = new EventSourceParserStream({
    onComment: (comment) => {
      comments.push(comment)
      if (comments.length >= 3) onComment()
    },
  })
  const reader = (response.body ?? new ReadableStream())
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(parser)
    .getReader()
  readers.push(reader)
  return {
    response,
    comments,
    commented,
    next: async (): Promise<EventSourceMessage | undefined> => (await reader.read()).value,
    cancel: () => reader.cancel(),
  }
}

const accountOf = (user: string, connection = 'mail', config = 'email-agent') =>
  rooms.accountOf(config, user, connection)
const setStatus = async (user: string, status: 'EXPIRED' | 'DISCONNECTED' | 'PENDING_AUTH', connection = 'mail') =>
  await rooms.accounts.setStatus(
    await accountOf(user, connection, connection === 'search' ? 'search-agent' : 'email-agent'),
    status,
  )
const dataOf = (message: EventSourceMessage | undefined) => statusEventSchema.parse(JSON.parse(message?.data ?? '{}'))
const instanceOf = async (user: string, config = 'email-agent') =>
  await rooms.instances.ensure(await rooms.configs.requireByName(config), user)

describe('GET /api/v1/events', () => {
  it('ends when the access token ends that it was opened with', async () => {
    const { next, commented } = await open('user_identifier=anna')
    const ended = next()
    await commented
    rooms.advance(3_600_000)
    expect(await ended).toBeUndefined()
  })

  it('tells a change of an instance in the shape of the webhook', async () => {
    const { id } = await instanceOf('u')
    const stream = await open(`instance_id=${id}`)
    expect(stream.response.headers.get('Content-Type')).toBe('text/event-stream; charset=utf-8')
    await setStatus('u', 'EXPIRED')
    const message = await stream.next()
    const account = await accountOf('u')
    expect(message).toMatchObject({ id: expect.stringMatching(/^\d+$/), event: STATUS_EVENT_TYPE })
    expect(dataOf(message)).toEqual({
      spec_version: '1',
      id: expect.stringMatching(/^evt_/),
      type: STATUS_EVENT_TYPE,
      occurred_at: '2026-07-28T10:00:00.000Z',
      environment_id: 'latchkey.example',
      sequence: Number(message?.id),
      object: 'connected_account',
      data: {
        id: account.id,
        identifier: 'u',
        connection_id: account.connectionId,
        connection_name: 'mail',
        provider: 'acme-mail',
        authorization_type: 'oauth2',
        status: 'EXPIRED',
        old_status: 'PENDING_AUTH',
      },
    })
  })

  it('says at once that it is subscribed, and goes on saying that it lives', async () => {
    const stream = await open('user_identifier=u')
    const pending = stream.next()
    await stream.commented
    expect(stream.comments.slice(0, 3)).toEqual(['subscribed', 'keep-alive', 'keep-alive'])
    rooms.endStreams()
    expect(await pending).toBeUndefined()
  })

  it("covers only the instance's connections and only its user", async () => {
    const stream = await open(`instance_id=${(await instanceOf('u')).id}`)
    await setStatus('v', 'EXPIRED')
    await setStatus('u', 'EXPIRED', 'search')
    await setStatus('u', 'DISCONNECTED')
    expect(dataOf(await stream.next()).data).toMatchObject({ identifier: 'u', connection_name: 'mail' })
  })

  it("covers all of a user's connections where a user is asked for, and no other user's", async () => {
    const stream = await open('user_identifier=u')
    for (const user of ['v', 'U', 'u ', '__proto__', 'u:']) await setStatus(user, 'EXPIRED')
    await setStatus('u', 'EXPIRED', 'search')
    await setStatus('u', 'EXPIRED')
    const names = [dataOf(await stream.next()), dataOf(await stream.next())].map(({ data }) => data)
    expect(names).toMatchObject([
      { identifier: 'u', connection_name: 'search' },
      { identifier: 'u', connection_name: 'mail' },
    ])
  })

  it('gives what was missed after Last-Event-ID, in order, each once, and then what is new', async () => {
    const first = await open('user_identifier=u')
    await setStatus('u', 'EXPIRED')
    const seen = await first.next()
    await first.cancel()
    await setStatus('u', 'DISCONNECTED')
    await setStatus('u', 'PENDING_AUTH')
    const second = await open('user_identifier=u', { 'Last-Event-ID': seen?.id ?? '' })
    await setStatus('u', 'EXPIRED')
    const statuses = [await second.next(), await second.next(), await second.next()].map(
      (message) => dataOf(message).data.status,
    )
    expect(statuses).toEqual(['DISCONNECTED', 'PENDING_AUTH', 'EXPIRED'])
  })

  it('gives more than a page of missed events', async () => {
    for (let round = 0; round < 75; round++) {
      await setStatus('u', 'EXPIRED')
      await setStatus('u', 'DISCONNECTED')
    }
    const stream = await open('user_identifier=u', { 'Last-Event-ID': '0' })
    const sequences: number[] = []
    for (let index = 0; index < 150; index++) sequences.push(Number((await stream.next())?.id))
    expect(sequences).toEqual(sequences.toSorted((a, b) => a - b))
    expect(new Set(sequences).size).toBe(150)
  })

  it.each(['', 'x', '-1', '1e3', '999999999999999', '__proto__'])(
    'begins with what is new when Last-Event-ID is %j',
    async (lastEventId) => {
      await setStatus('u', 'EXPIRED')
      const stream = await open('user_identifier=u', { 'Last-Event-ID': lastEventId })
      await setStatus('u', 'DISCONNECTED')
      expect(dataOf(await stream.next()).data.status).toBe('DISCONNECTED')
    },
  )

  it('tells 100 streams of one user', async () => {
    const streams = await Promise.all(Array.from({ length: 100 }, () => open('user_identifier=u')))
    await setStatus('u', 'EXPIRED')
    const messages = await Promise.all(streams.map((stream) => stream.next()))
    expect(new Set(messages.map((message) => message?.id)).size).toBe(1)
  })

  it('says that it starts anew where events after Last-Event-ID are not kept any more', async () => {
    for (const status of ['EXPIRED', 'DISCONNECTED', 'PENDING_AUTH'] as const) await setStatus('u', status)
    rooms.advance(1000)
    await setStatus('u', 'EXPIRED')
    await rooms.store.events.forget(new Date(START + 1000))
    const stream = await open('user_identifier=u', { 'Last-Event-ID': '1' })
    expect(await stream.next()).toMatchObject({ event: 'reset', id: '3' })
    expect(dataOf(await stream.next()).data.status).toBe('EXPIRED')
  })

  it('ends when the gateway closes', async () => {
    const stream = await open('user_identifier=u')
    const pending = stream.next()
    rooms.endStreams()
    expect(await pending).toBeUndefined()
  })

  it.each([
    ['', 400],
    ['instance_id=ins_1&user_identifier=u', 400],
    ['user_identifier=', 400],
    ['instance_id=ins_none', 404],
    ['instance_id=__proto__', 404],
  ])('refuses ?%s with %i', async (query, status) => {
    expect((await request(query)).status).toBe(status)
  })
})
