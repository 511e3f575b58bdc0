import { authStateSchema, ensuredInstanceSchema, revokedAccountSchema, userRevocationSchema } from '@latchkey/core/wire'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AccountEvent, Change, Credential } from '../../src/domain.ts'
import { openRooms, type Rooms } from './openRooms.ts'

const GRANT: Credential = {
  type: 'oauth2',
  accessToken: 'canary-access',
  refreshToken: 'canary-refresh',
  expiresAt: undefined,
  scope: undefined,
  issuer: 'https://login.example',
  clientId: 'client',
  resource: 'https://mail.example/mcp',
}

let rooms: Rooms
let accessToken: string
beforeEach(async () => {
  rooms = await openRooms()
  accessToken = (await rooms.keys.signAccessToken('app')).token.reveal()
})
afterEach(() => rooms.close())

async function post(path: string, body: unknown = {}) {
  const response = await rooms.app.request(path, {
    method: 'POST',
    headers: { Authorization: `Bearer ${accessToken}`, 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  })
  return { status: response.status, json: JSON.parse(await response.text()) as unknown }
}

async function ensure(user: string, config = 'email-agent') {
  const { json } = await post('/api/v1/mcp/instances', { config_name: config, user_identifier: user })
  return ensuredInstanceSchema.parse(json).instance
}

async function links(instanceId: string) {
  const { json } = await post(`/api/v1/mcp/instances/${instanceId}:get_auth_state`, { include_auth_links: true })
  return authStateSchema.parse(json).connections
}

/** A user with an instance and a connected mail account. */
async function connected(user: string) {
  const instance = await ensure(user)
  const mail = (await links(instance.id)).find((state) => state.connection_name === 'mail')
  expect(await rooms.connect(mail?.authentication_link ?? '', GRANT)).toBe(true)
  return { instance, accountId: mail?.connected_account_id ?? '' }
}

async function afterTurns<T>(turns: number, work: () => Promise<T>): Promise<T> {
  for (let turn = 0; turn < turns; turn++) await Promise.resolve()
  return await work()
}

const revoke = async (identifier: string) => {
  const { status, json } = await post('/api/v1/users:revoke', { identifier })
  expect(status).toBe(200)
  return userRevocationSchema.parse(json)
}

/** A revocation whose process ends while it tells the server. */
async function revokeAndBeKilled(): Promise<string> {
  const { accountId } = await connected('anna')
  rooms.upstream.outcome = new Promise<never>(() => undefined)
  void post('/api/v1/users:revoke', { identifier: 'anna' })
  await expect.poll(() => rooms.upstream.told.length).toBe(1)
  expect(await rooms.accounts.get(accountId)).toBeUndefined()
  rooms.upstream.told.length = 0
  rooms.upstream.outcome = 'revoked'
  return accountId
}

describe('POST /api/v1/users:revoke', () => {
  it('ends everything of the user, and gives a receipt of what was done', async () => {
    const { instance, accountId } = await connected('anna')
    await links((await ensure('anna', 'search-agent')).id)
    const receipt = await revoke('anna')
    expect(receipt).toMatchObject({
      user_identifier: 'anna',
      revoked_at: '2026-07-28T10:00:00.000Z',
      session_tokens: 'revoked',
      instances_deleted: 2,
      links_cancelled: 1,
    })
    const outcomes = receipt.connected_accounts.map((account) => [account.connection_name, account.upstream_revocation])
    expect(Object.fromEntries(outcomes)).toEqual({ docs: 'not_applicable', mail: 'revoked', search: 'not_applicable' })
    expect(await rooms.instances.get(instance.id)).toBeUndefined()
    expect(await rooms.accounts.get(accountId)).toBeUndefined()
    expect(rooms.upstream.told).toEqual(['canary-access'])
  })

  it('leaves every other user alone', async () => {
    await connected('anna')
    const other = await connected('Anna')
    await revoke('anna')
    expect(await rooms.instances.get(other.instance.id)).toBeDefined()
    expect(await rooms.accounts.get(other.accountId)).toMatchObject({ status: 'ACTIVE' })
    expect(await rooms.revocations.epoch('Anna')).toBe(0)
  })

  it('tells those who wait, and every cache', async () => {
    const { accountId } = await connected('anna')
    const events: AccountEvent[] = []
    const changes: Change[] = []
    rooms.events.subscribe((event) => events.push(event))
    rooms.changes.subscribe((change) => changes.push(change))
    await revoke('anna')
    expect(changes).toMatchObject([{ kind: 'user', subject: 'anna' }])
    expect(events.find((event) => event.accountId === accountId)).toMatchObject({
      status: 'DISCONNECTED',
      oldStatus: 'ACTIVE',
    })
  })

  it('lets the user begin anew, with another URL and other accounts', async () => {
    const before = await connected('anna')
    await revoke('anna')
    const instance = await ensure('anna')
    expect(instance.url).not.toBe(before.instance.url)
    expect(await links(instance.id)).toContainEqual(
      expect.objectContaining({ connection_name: 'mail', connected_account_status: 'PENDING_AUTH' }),
    )
  })

  it('is as good for a user of whom nothing is known', async () => {
    expect(await revoke('nobody')).toMatchObject({ instances_deleted: 0, links_cancelled: 0, connected_accounts: [] })
  })

  it.each(['failed', 'not_offered'] as const)('removes the account also when its server says %s', async (outcome) => {
    const { accountId } = await connected('anna')
    rooms.upstream.outcome = outcome
    const { connected_accounts: accounts } = await revoke('anna')
    expect(accounts).toContainEqual({
      connection_name: 'mail',
      connected_account_id: accountId,
      upstream_revocation: outcome,
    })
    expect(await rooms.accounts.get(accountId)).toBeUndefined()
    expect(await rooms.store.pendingRevocations.ofUser('anna')).toEqual([])
  })

  it('is finished by the next call when the process is killed before it has told the server', async () => {
    const accountId = await revokeAndBeKilled()
    const { connected_accounts: accounts } = await revoke('anna')
    expect(accounts).toMatchObject([{ connected_account_id: accountId, upstream_revocation: 'revoked' }])
    expect(rooms.upstream.told).toEqual(['canary-access'])
    expect(await rooms.store.pendingRevocations.ofUser('anna')).toEqual([])
  })

  it('is finished by the sweep, a minute later, when nobody calls again', async () => {
    await revokeAndBeKilled()
    await rooms.upstreamRevocations.sweep()
    expect(rooms.upstream.told).toEqual([])
    rooms.advance(60_000)
    await Promise.all([rooms.upstreamRevocations.sweep(), rooms.upstreamRevocations.sweep()])
    expect(rooms.upstream.told).toEqual(['canary-access'])
    expect(await rooms.store.pendingRevocations.ofUser('anna')).toEqual([])
  })

  it('refuses a user identifier that is none', async () => {
    expect((await post('/api/v1/users:revoke', {})).status).toBe(400)
  })
})

describe('what begins before a revocation of the user', () => {
  it('makes no instance', async () => {
    const config = await rooms.configs.requireByName('email-agent')
    const asOf = { configId: config.id, epoch: await rooms.revocations.epoch('anna', config.id) }
    await revoke('anna')
    await expect(rooms.instances.ensure(config, 'anna', undefined, asOf)).rejects.toMatchObject({ code: 'conflict' })
    expect(await rooms.store.instances.find(config.id, 'anna')).toBeUndefined()
  })

  it('makes no account', async () => {
    const config = await rooms.configs.requireByName('email-agent')
    const asOf = { configId: config.id, epoch: await rooms.revocations.epoch('anna', config.id) }
    await revoke('anna')
    await expect(rooms.accounts.ensureForConfig(config, 'anna', asOf)).rejects.toMatchObject({ code: 'conflict' })
    expect(await rooms.store.accounts.count({ userIdentifier: 'anna' })).toBe(0)
  })

  it('makes no link', async () => {
    const account = await rooms.accountOf('email-agent', 'anna', 'mail')
    await revoke('anna')
    await expect(rooms.accounts.createLink(account)).rejects.toMatchObject({ code: 'conflict' })
  })

  it('connects no account', async () => {
    const { url } = await rooms.accounts.createLink(await rooms.accountOf('email-agent', 'anna', 'mail'))
    const link = await rooms.accounts.findLink(new URL(url.reveal()).pathname.split('/').at(-1) ?? '')
    await revoke('anna')
    expect(await rooms.accounts.activate(link?.id ?? '', GRANT)).toBe(false)
    expect(await rooms.store.accounts.count({ userIdentifier: 'anna' })).toBe(0)
  })

  it('brings no account back by a refresh, and gives the renewed grant back too', async () => {
    const { accountId } = await connected('anna')
    const read = await rooms.accounts.readCredential(accountId)
    await revoke('anna')
    if (read === undefined) throw new Error('there is no credential')
    const renewed = { ...GRANT, accessToken: 'canary-renewed' }
    expect(await rooms.accounts.replaceCredential(read.account, renewed)).toBeUndefined()
    expect(await rooms.store.accounts.count({ userIdentifier: 'anna' })).toBe(0)
    await rooms.upstreamRevocations.sweep()
    expect(rooms.upstream.told).toEqual(['canary-access', 'canary-renewed'])
  })

  it('leaves nothing alive, in whatever order things happen', async () => {
    const config = await rooms.configs.requireByName('email-agent')
    for (let round = 0; round < 60; round++) {
      const user = `user-${round}`
      if (round % 2 === 0) await rooms.accountOf('email-agent', user, 'mail')
      const asOf = { configId: config.id, epoch: await rooms.revocations.epoch(user, config.id) }
      const outcomes = Promise.allSettled([
        rooms.instances.ensure(config, user, undefined, asOf),
        rooms.accounts.ensureForConfig(config, user, asOf).then(async ([mail]) => {
          return mail && (await rooms.accounts.createLink(mail.account))
        }),
        afterTurns(round, () => rooms.revocations.revokeUser(user)),
        rooms.instances.ensure(config, user, undefined, asOf),
        rooms.accounts.ensureForConfig(config, user, asOf),
      ])
      const refusals: unknown[] = (await outcomes).flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
      for (const refusal of refusals) expect(refusal).toMatchObject({ code: 'conflict' })
      expect(await rooms.store.instances.find(config.id, user)).toBeUndefined()
      expect(await rooms.store.accounts.count({ userIdentifier: user })).toBe(0)
      expect(await rooms.store.links.countOpen(user, new Date(0))).toBe(0)
    }
  })
})

describe('POST /api/v1/connected_accounts:delete', () => {
  it('removes the account with its links, and tells its server and those who wait', async () => {
    const { accountId } = await connected('anna')
    const events: AccountEvent[] = []
    rooms.events.subscribe((event) => events.push(event))
    const { status, json } = await post('/api/v1/connected_accounts:delete', { id: accountId })
    expect(status).toBe(200)
    expect(revokedAccountSchema.parse(json)).toEqual({
      connection_name: 'mail',
      connected_account_id: accountId,
      upstream_revocation: 'revoked',
    })
    expect(await rooms.accounts.get(accountId)).toBeUndefined()
    expect(events).toMatchObject([{ accountId, status: 'DISCONNECTED', oldStatus: 'ACTIVE' }])
  })

  it('takes the name of the connection and the user instead of the id', async () => {
    const { accountId } = await connected('anna')
    await post('/api/v1/connected_accounts:delete', { connector: 'mail', identifier: 'anna' })
    expect(await rooms.accounts.get(accountId)).toBeUndefined()
  })

  it('makes a fresh account, to be connected anew, when the user comes again', async () => {
    const { instance, accountId } = await connected('anna')
    await post('/api/v1/connected_accounts:delete', { id: accountId })
    const mail = (await links(instance.id)).find((state) => state.connection_name === 'mail')
    expect(mail?.connected_account_status).toBe('PENDING_AUTH')
    expect(mail?.connected_account_id).not.toBe(accountId)
  })

  it.each([{ id: 'ca_unknown' }, { connector: 'mail', identifier: 'nobody' }, { connector: 'x', identifier: 'anna' }])(
    'says that there is none for %j',
    async (body) => {
      await connected('anna')
      expect((await post('/api/v1/connected_accounts:delete', body)).status).toBe(404)
    },
  )

  it('removes no account of a user other than the one that is named with the id', async () => {
    const { accountId } = await connected('anna')
    expect((await post('/api/v1/connected_accounts:delete', { id: accountId, identifier: 'berta' })).status).toBe(404)
    expect(await rooms.accounts.get(accountId)).toBeDefined()
  })
})

describe('POST /api/v1/mcp/instances/{id}:rotate_url', () => {
  it('gives the instance another URL, which stays', async () => {
    const before = await ensure('anna')
    const { status, json } = await post(`/api/v1/mcp/instances/${before.id}:rotate_url`)
    expect(status).toBe(200)
    const { instance } = ensuredInstanceSchema.parse(json)
    expect(instance.id).toBe(before.id)
    expect(instance.url).not.toBe(before.url)
    expect((await ensure('anna')).url).toBe(instance.url)
  })

  it('tells every cache', async () => {
    const { id } = await ensure('anna')
    const changes: Change[] = []
    rooms.changes.subscribe((change) => changes.push(change))
    await post(`/api/v1/mcp/instances/${id}:rotate_url`)
    expect(changes).toMatchObject([{ kind: 'instance', subject: id }])
  })

  it('says that there is none when there is none', async () => {
    expect((await post('/api/v1/mcp/instances/ins_unknown:rotate_url')).status).toBe(404)
  })
})
