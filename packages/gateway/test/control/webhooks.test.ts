import {
  createdWebhookSchema,
  errorBodySchema,
  webhookDeliveryListSchema,
  webhookDeliverySchema,
  webhookListSchema,
  webhookSchema,
  webhookSecretSchema,
} from '@latchkey/core/wire'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { openRooms, START, type Rooms } from './openRooms.ts'

const URL = 'https://app.example/hook'
const webhookAnswer = z.object({ webhook: webhookSchema })
const deliveryAnswer = z.object({ delivery: webhookDeliverySchema })

let rooms: Rooms
let accessToken: string
beforeEach(async () => {
  rooms = await openRooms()
  accessToken = (await rooms.keys.signAccessToken('app')).token.reveal()
})
afterEach(() => rooms.close())

async function call(method: string, path: string, body?: object) {
  const response = await rooms.app.request(`/api/v1/webhooks${path}`, {
    method,
    headers: { Authorization: `Bearer ${accessToken}`, 'Content-Type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, text, json: JSON.parse(text) as unknown }
}

const create = async (body: object = { url: URL }) => createdWebhookSchema.parse((await call('POST', '', body)).json)

/** Events of an account; each is queued for every webhook. */
async function happen(times: number): Promise<string[]> {
  const before = await rooms.events.latestSequence()
  for (let count = 0; count < times; count++) {
    const account = await rooms.accountOf('email-agent', 'u', 'mail')
    await rooms.accounts.setStatus(account, account.status === 'EXPIRED' ? 'DISCONNECTED' : 'EXPIRED')
  }
  return (await rooms.events.after(before, 'u')).map(({ id }) => id)
}

async function finish(id: string, eventId: string, status: 'delivered' | 'failed'): Promise<void> {
  const now = new Date(START)
  const claim = { endpointId: id, claim: 'c', now, until: new Date(START + 60_000), limit: 100 }
  await rooms.store.webhooks.claim(claim)
  const attempt = { at: START, durationMs: 12, responseStatus: 503, error: 'The receiver answered 503.' }
  const result = { status, attempts: 1, attemptLog: [attempt], nextAttemptAt: undefined }
  await rooms.store.webhooks.finish({ endpointId: id, eventId, claim: 'c' }, result)
}

const idsOf = ({ deliveries }: z.infer<typeof webhookDeliveryListSchema>) => deliveries.map((one) => one.event_id)

describe('/api/v1/webhooks', () => {
  it('shows the secret of a new webhook once, and never again', async () => {
    const response = await call('POST', '', { url: URL, description: 'CRM' })
    expect(response.status).toBe(201)
    const { webhook, secret } = createdWebhookSchema.parse(response.json)
    expect(secret).toMatch(/^whsec_/)
    expect(webhook).toEqual({
      id: expect.stringMatching(/^whk_/),
      url: URL,
      description: 'CRM',
      source: 'api',
      enabled: true,
      created_at: '2026-07-28T10:00:00.000Z',
      updated_at: '2026-07-28T10:00:00.000Z',
    })
    const answers = [
      await call('GET', ''),
      await call('GET', `/${webhook.id}`),
      await call('PATCH', `/${webhook.id}`, {}),
    ]
    for (const { status, text } of answers) {
      expect(status).toBe(200)
      expect(text).toContain(webhook.id)
      expect(text).not.toContain(secret.slice(6))
    }
    expect(webhookListSchema.parse(answers[0]?.json).webhooks).toEqual([webhook])
  })

  it('changes what is given and leaves the rest', async () => {
    const { webhook } = await create({ url: URL, description: 'CRM' })
    const patch = async (body: object) =>
      webhookAnswer.parse((await call('PATCH', `/${webhook.id}`, body)).json).webhook
    expect(await patch({ enabled: false })).toMatchObject({ enabled: false, disabled_reason: 'requested', url: URL })
    expect(await patch({ enabled: true, description: '' })).not.toHaveProperty('disabled_reason')
    expect(await patch({ url: 'https://other.example/' })).toEqual({
      ...webhook,
      url: 'https://other.example/',
      description: undefined,
    })
  })

  it('deletes a webhook', async () => {
    const { webhook } = await create()
    expect((await call('DELETE', `/${webhook.id}`)).status).toBe(200)
    expect((await call('GET', `/${webhook.id}`)).status).toBe(404)
    expect((await call('DELETE', `/${webhook.id}`)).status).toBe(404)
  })

  it('gives a new secret, and says when the old one ends', async () => {
    const { webhook, secret } = await create()
    const rotate = async (body?: object) => await call('POST', `/${webhook.id}:rotate_secret`, body)
    const rotated = webhookSecretSchema.parse((await rotate()).json)
    expect(rotated.secret).not.toBe(secret)
    expect(rotated.previous_secret_expires_at).toBe('2026-07-29T10:00:00.000Z')
    expect(webhookSecretSchema.parse((await rotate({ overlap: '0s' })).json).previous_secret_expires_at).toBe(
      '2026-07-28T10:00:00.000Z',
    )
    expect((await rotate({ overlap: '604801s' })).status).toBe(400)
  })

  it('pages the delivery log from the newest event on, forwards and backwards, also while it grows', async () => {
    const { webhook } = await create()
    const ids = (await happen(5)).toReversed()
    const page = async (query: string) =>
      webhookDeliveryListSchema.parse((await call('GET', `/${webhook.id}/deliveries?page_size=2${query}`)).json)
    const first = await page('')
    const second = await page(`&page_token=${first.next_page_token}`)
    await happen(1)
    const third = await page(`&page_token=${second.next_page_token}`)
    expect([first, second, third].flatMap(idsOf)).toEqual(ids)
    expect(third.next_page_token).toBeUndefined()
    expect(idsOf(await page(`&page_token=${second.prev_page_token}`))).toEqual(idsOf(first))
  })

  it('tells of a delivery what became of it, and finds those that were given up', async () => {
    const { webhook, secret } = await create()
    const [first = '', second = ''] = await happen(2)
    await finish(webhook.id, first, 'failed')
    const { json } = await call('GET', `/${webhook.id}/deliveries/${first}`)
    expect(deliveryAnswer.parse(json).delivery).toEqual({
      webhook_id: webhook.id,
      event_id: first,
      sequence: 1,
      status: 'FAILED',
      attempts: 1,
      response_status: 503,
      created_at: '2026-07-28T10:00:00.000Z',
      attempt_log: [
        { at: '2026-07-28T10:00:00.000Z', duration_ms: 12, response_status: 503, error: 'The receiver answered 503.' },
      ],
    })
    const failed = await call('GET', `/${webhook.id}/deliveries?filter.status=FAILED`)
    expect(webhookDeliveryListSchema.parse(failed.json).deliveries.map((one) => one.event_id)).toEqual([first])
    expect(failed.text).not.toContain(second)
    expect(failed.text).not.toContain(secret.slice(6))
  })

  it('replays one delivery, or all that did not arrive since a time', async () => {
    const { webhook } = await create()
    const [first = '', second = ''] = await happen(2)
    await finish(webhook.id, first, 'failed')
    const replayed = await call('POST', `/${webhook.id}/deliveries/${first}:replay`)
    expect(deliveryAnswer.parse(replayed.json).delivery).toMatchObject({ status: 'PENDING', attempts: 0 })
    await finish(webhook.id, first, 'failed')
    await finish(webhook.id, second, 'delivered')
    const since = '2026-07-28T12:00:00+02:00'
    expect((await call('POST', `/${webhook.id}:replay`, { since })).json).toEqual({ queued: 1 })
    expect((await call('POST', `/${webhook.id}:replay`, { since, include_delivered: true })).json).toEqual({
      queued: 1,
    })
    expect((await call('POST', `/${webhook.id}:replay`, { since: '2026-07-28T10:00:01Z' })).json).toEqual({ queued: 0 })
  })

  it.each([
    ['POST', '', {}, 400],
    ['POST', '', { url: '' }, 400],
    ['POST', '', { url: `https://app.example/${'x'.repeat(2048)}` }, 400],
    ['POST', '', { url: 'nonsense' }, 400],
    ['PATCH', '/whk_none', {}, 404],
    ['PATCH', '/whk_none', { enabled: 'yes' }, 400],
    ['POST', '/whk_none:rotate_secret', {}, 404],
    ['POST', '/whk_none:replay', { since: 'yesterday' }, 400],
    ['POST', '/whk_none:replay', { since: '2026-07-28T10:00:00Z' }, 404],
    ['GET', '/whk_none/deliveries', undefined, 404],
    ['GET', '/whk_none/deliveries?filter.status=LOST', undefined, 400],
    ['GET', '/whk_none/deliveries/evt_none', undefined, 404],
    ['POST', '/whk_none/deliveries/evt_none:replay', {}, 404],
  ])('refuses %s %s %j with %i', async (method, path, body, status) => {
    const response = await call(method, path, body)
    expect(response.status).toBe(status)
    expect(errorBodySchema.parse(response.json).message).not.toBe('')
  })
})
