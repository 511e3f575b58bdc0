import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { diagnosticsSchema } from '@latchkey/core/wire'
import { CLIENT_SECRET, openRooms, type Rooms } from './openRooms.ts'

let rooms: Rooms
let token: string
beforeEach(async () => {
  rooms = await openRooms()
  const body = new URLSearchParams({ grant_type: 'client_credentials', client_id: 'app', client_secret: CLIENT_SECRET })
  const answer = await rooms.app.request('/oauth/token', { method: 'POST', body })
  token = z.object({ access_token: z.string() }).parse(await answer.json()).access_token
})
afterEach(() => rooms.close())

async function get(query = '') {
  const answer = await rooms.app.request(`/api/v1/diagnostics${query}`, {
    headers: { authorization: `Bearer ${token}` },
  })
  const text = await answer.text()
  return { status: answer.status, text, read: () => diagnosticsSchema.parse(JSON.parse(text)) }
}

describe('GET /api/v1/diagnostics', () => {
  it('tells of the gateway: its time, its public URL, its keys, its connections, and nothing of any user', async () => {
    const told = (await get()).read()
    expect(told).toMatchObject({
      time: '2026-07-28T10:00:00.000Z',
      public_url: 'https://latchkey.example',
      user_verification: 'off',
      database: 'sqlite',
      connection_names: ['mail', 'search', 'docs'],
      keys: [
        { ring: 'encryption', key_id: 'k1', is_current: true, is_available: true },
        { ring: 'signing', key_id: 'k1', is_current: true, is_available: true },
      ],
    })
    expect(told.user).toBeUndefined()
  })

  it('tells of the configs that a user has an instance of, without making accounts', async () => {
    await rooms.instances.ensure(await rooms.configs.requireByName('search-agent'), 'ann')
    const { user } = (await get('?identifier=ann')).read()
    expect(user?.configs).toEqual([
      {
        config_name: 'search-agent',
        has_instance: true,
        connections: [{ connection_name: 'search', connected_account_status: 'PENDING_AUTH', tools: [] }],
      },
    ])
    expect(await rooms.store.accounts.list({ userIdentifier: 'ann', limit: 10 })).toEqual([])
  })

  it('tells of a credential its kind and never the credential', async () => {
    const account = await rooms.accountOf('search-agent', 'ann', 'search')
    await rooms.connect((await rooms.accounts.createLink(account)).url.reveal())
    const { text, read } = await get('?identifier=ann&config_name=search-agent')
    expect(read().user).toMatchObject({
      last_event_at: '2026-07-28T10:00:00.000Z',
      configs: [
        {
          has_instance: false,
          connections: [{ connected_account_status: 'ACTIVE', credential: { type: 'api_key', is_renewable: false } }],
        },
      ],
    })
    expect(text).not.toContain('canary-api-key')
  })

  it('answers 404 for a config that there is not, and 401 without a token', async () => {
    expect((await get('?identifier=ann&config_name=nosuch')).status).toBe(404)
    expect((await rooms.app.request('/api/v1/diagnostics')).status).toBe(401)
  })
})
