import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AccountEvent, Credential } from '../../src/domain.ts'
import { API_KEY, openRooms, OPTIONS, START, type Rooms } from '../control/openRooms.ts'

const GRANT: Credential = {
  type: 'oauth2',
  accessToken: 'canary-access-token',
  refreshToken: undefined,
  expiresAt: undefined,
  scope: 'mail.read',
  issuer: 'https://as.example',
  clientId: 'client',
  resource: 'https://mail.example/mcp',
}

let rooms: Rooms
let told: AccountEvent[]
beforeEach(async () => {
  rooms = await openRooms()
  told = []
  rooms.events.subscribe((event) => told.push(event))
})
afterEach(() => rooms.close())

const mailOf = (user: string) => rooms.accountOf('email-agent', user, 'mail')
const openLink = async (user: string) => {
  const { url } = await rooms.accounts.createLink(await mailOf(user))
  return url.reveal()
}
/** Puts the sealed credential of one account into the row of another, as somebody with the database could. */
const seal = async (from: string, to: string) => {
  const sealed = (await rooms.store.accounts.readCredential(from))?.sealed ?? new Uint8Array()
  const target = await rooms.store.accounts.get(to)
  if (target === undefined) throw new Error('no such account')
  await rooms.store.accounts.setCredential(target, { sealed, status: 'ACTIVE', at: new Date(START) })
}
const tokenOf = (url: string) => url.split('/').at(-1) ?? ''

describe('ensureForConfig', () => {
  it("gives one account for each connection in the config's order, `none` being ACTIVE from the start", async () => {
    const config = await rooms.configs.requireByName('email-agent')
    const states = await rooms.accounts.ensureForConfig(config, 'u')
    expect(states.map(({ connection, account }) => [connection.name, account.status])).toEqual([
      ['mail', 'PENDING_AUTH'],
      ['docs', 'ACTIVE'],
    ])
    expect(told).toEqual([])
  })

  it('makes each account once, however many ask at the same time', async () => {
    const config = await rooms.configs.requireByName('email-agent')
    const all = await Promise.all(Array.from({ length: 200 }, () => rooms.accounts.ensureForConfig(config, 'u')))
    expect(new Set(all.flat().map(({ account }) => account.id)).size).toBe(2)
  })

  it('shares an account between the configs of one user and never between users', async () => {
    const one = await rooms.accountOf('email-agent', 'u', 'docs')
    expect((await rooms.accountOf('reader', 'u', 'docs')).id).toBe(one.id)
    const others = await Promise.all(
      ['U', 'u ', 'u:', '__proto__', 'constructor', 'é'].map((user) => rooms.accountOf('reader', user, 'docs')),
    )
    expect(new Set([one.id, ...others.map(({ id }) => id)]).size).toBe(7)
  })

  it('asks for consent when a connection that needed none now does, and no more when it is the other way round', async () => {
    const before = await rooms.accountOf('reader', 'u', 'docs')
    const docs = { ...OPTIONS.connections.docs, auth: { type: 'api_key', header: 'X-Api-Key' } } as const
    const locked = await openRooms({ ...OPTIONS, connections: { ...OPTIONS.connections, docs } }, rooms.store)
    expect(await locked.accountOf('reader', 'u', 'docs')).toMatchObject({ id: before.id, status: 'PENDING_AUTH' })
    expect(await rooms.accountOf('reader', 'u', 'docs')).toMatchObject({ id: before.id, status: 'ACTIVE' })
  })
})

describe('createLink', () => {
  it('gives a link with 256 random bits, for ten minutes, and never the same twice', async () => {
    const account = await mailOf('u')
    const links = await Promise.all(Array.from({ length: 50 }, () => rooms.accounts.createLink(account)))
    for (const { url, expiresAt } of links) {
      expect(url.reveal()).toMatch(/^https:\/\/latchkey\.example\/connect\/lklink_[A-Za-z0-9_-]{43}$/)
      expect(expiresAt.getTime()).toBe(START + 600_000)
    }
    expect(new Set(links.map(({ url }) => url.reveal())).size).toBe(50)
  })

  it('refuses an account that needs no authorization, naming the connection', async () => {
    const account = await rooms.accountOf('reader', 'u', 'docs')
    await expect(rooms.accounts.createLink(account)).rejects.toThrow('The connection "docs" needs no authorization.')
  })
})

describe('findLink', () => {
  it('tells open, used and expired apart, and changes nothing by looking', async () => {
    const url = await openLink('u')
    for (let look = 0; look < 3; look++) expect((await rooms.accounts.findLink(tokenOf(url)))?.state).toBe('open')
    rooms.advance(600_000)
    expect((await rooms.accounts.findLink(tokenOf(url)))?.state).toBe('expired')
    const used = await openLink('u')
    await rooms.connect(used)
    expect((await rooms.accounts.findLink(tokenOf(used)))?.state).toBe('used')
  })

  it('knows nothing of tokens that are not exactly one of ours', async () => {
    const token = tokenOf(await openLink('u'))
    for (const wrong of ['', token.slice(0, -1), `${token}A`, token.toUpperCase(), `lklink_${'A'.repeat(43)}`]) {
      expect(await rooms.accounts.findLink(wrong)).toBeUndefined()
    }
  })
})

describe('activate', () => {
  it('makes the account ACTIVE, keeps the credential and tells everybody once', async () => {
    const account = await mailOf('u')
    rooms.advance(1_000)
    expect(await rooms.connect(await openLink('u'), GRANT)).toBe(true)
    const read = await rooms.accounts.readCredential(account.id)
    expect(read?.credential).toEqual(GRANT)
    expect(read?.account).toMatchObject({ id: account.id, status: 'ACTIVE', generation: 1 })
    expect(told).toEqual([
      {
        sequence: expect.any(Number),
        id: expect.stringMatching(/^evt_/),
        accountId: account.id,
        userIdentifier: 'u',
        connectionId: account.connectionId,
        status: 'ACTIVE',
        oldStatus: 'PENDING_AUTH',
        occurredAt: new Date(START + 1_000),
      },
    ])
    expect(await rooms.events.after(0, 'u')).toEqual(told)
  })

  it('succeeds once of 100 at the same time, and the credential is the one that succeeded', async () => {
    const link = await rooms.accounts.findLink(tokenOf(await openLink('u')))
    const keys = Array.from({ length: 100 }, (_, index) => `key ${index}`)
    const results = await Promise.all(
      keys.map((key) =>
        rooms.accounts.activate(link?.id ?? '', { type: 'api_key', key, origin: 'https://search.example' }),
      ),
    )
    expect(results.filter(Boolean)).toHaveLength(1)
    const read = await rooms.accounts.readCredential(link?.account.id ?? '')
    expect(read?.credential).toMatchObject({ type: 'api_key', key: keys[results.indexOf(true)] })
    expect(told).toHaveLength(1)
  })

  it('keeps the first of two people who finish with two links at the same moment, and leaves the other link unused', async () => {
    const [one, other] = [await openLink('u'), await openLink('u')]
    await rooms.connect(one, GRANT)
    await expect(rooms.connect(other, { ...GRANT, accessToken: 'of somebody else' })).rejects.toMatchObject({
      code: 'conflict',
    })
    const read = await rooms.accounts.readCredential((await mailOf('u')).id)
    expect(read?.credential).toEqual(GRANT)
  })

  it('changes nothing through a link that has expired or does not exist', async () => {
    const account = await mailOf('u')
    const link = await rooms.accounts.findLink(tokenOf(await openLink('u')))
    rooms.advance(600_000)
    expect(await rooms.accounts.activate(link?.id ?? '', API_KEY)).toBe(false)
    expect(await rooms.accounts.activate('lnk_none', API_KEY)).toBe(false)
    expect(await rooms.accounts.get(account.id)).toMatchObject({ status: 'PENDING_AUTH', generation: 0 })
    expect(told).toEqual([])
  })

  it("touches no other user's account", async () => {
    const other = await mailOf('v')
    await rooms.connect(await openLink('u'))
    expect(await rooms.accounts.get(other.id)).toEqual(other)
    expect(await rooms.accounts.readCredential(other.id)).toBeUndefined()
  })
})

describe('readCredential', () => {
  it("T60: does not open one user's credential in another's row", async () => {
    await rooms.connect(await openLink('u'), GRANT)
    await seal((await mailOf('u')).id, (await mailOf('v')).id)
    await expect(rooms.accounts.readCredential((await mailOf('v')).id)).rejects.toThrow(/could not be opened/)
  })

  it('T60: does not open a credential of an older generation that was put back', async () => {
    await rooms.connect(await openLink('u'), GRANT)
    const { id } = await mailOf('u')
    await seal(id, id)
    await expect(rooms.accounts.readCredential(id)).rejects.toThrow(/could not be opened/)
  })
})

describe('replaceCredential', () => {
  it('writes for exactly one of those who refreshed the same generation, and tells nobody', async () => {
    await rooms.connect(await openLink('u'), GRANT)
    const account = await mailOf('u')
    told.length = 0
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        rooms.accounts.replaceCredential(account, { ...GRANT, accessToken: `token ${index}` }),
      ),
    )
    const won = results.filter((result) => result !== undefined)
    expect(won).toMatchObject([{ generation: 2, status: 'ACTIVE' }])
    const winner = results.findIndex((result) => result !== undefined)
    const read = await rooms.accounts.readCredential(account.id)
    expect(read?.credential).toMatchObject({ accessToken: `token ${winner}` })
    expect(told).toEqual([])
  })

  it('does not bring back an account that was disconnected meanwhile', async () => {
    await rooms.connect(await openLink('u'), GRANT)
    const account = await mailOf('u')
    await rooms.accounts.setStatus(account, 'DISCONNECTED')
    expect(await rooms.accounts.replaceCredential(account, GRANT)).toBeUndefined()
    expect(await rooms.accounts.get(account.id)).toMatchObject({ status: 'DISCONNECTED', generation: 1 })
  })
})

describe('setStatus', () => {
  it('tells everybody once, whoever was first', async () => {
    await rooms.connect(await openLink('u'), GRANT)
    const account = await mailOf('u')
    told.length = 0
    const results = await Promise.all(Array.from({ length: 20 }, () => rooms.accounts.setStatus(account, 'EXPIRED')))
    expect(results.filter(Boolean)).toHaveLength(1)
    expect(told).toMatchObject([{ status: 'EXPIRED', oldStatus: 'ACTIVE', userIdentifier: 'u' }])
  })

  it('leaves an account alone that was connected again meanwhile', async () => {
    await rooms.connect(await openLink('u'), GRANT)
    const before = await mailOf('u')
    await rooms.accounts.setStatus(before, 'EXPIRED')
    await rooms.connect(await openLink('u'), GRANT)
    expect(await rooms.accounts.setStatus(before, 'EXPIRED')).toBe(false)
    expect((await mailOf('u')).status).toBe('ACTIVE')
  })

  it('is told only after it can be read', async () => {
    const account = await mailOf('u')
    const statuses: Promise<string | undefined>[] = []
    rooms.events.subscribe(({ accountId }) => statuses.push(rooms.accounts.get(accountId).then((read) => read?.status)))
    await rooms.accounts.setStatus(account, 'DISCONNECTED')
    expect(await Promise.all(statuses)).toEqual(['DISCONNECTED'])
  })
})

describe('createInstances', () => {
  it('T70: gives one instance and one URL under 1,000 concurrent ensures of one user', async () => {
    const config = await rooms.configs.requireByName('email-agent')
    const ensured = await Promise.all(Array.from({ length: 1_000 }, () => rooms.instances.ensure(config, 'u')))
    expect(new Set(ensured.map(({ id }) => id)).size).toBe(1)
    const issued = await Promise.all(ensured.map((instance) => rooms.instances.url(instance)))
    expect(new Set(issued.map((url) => url.reveal())).size).toBe(1)
  })

  it('gives every user and every config a URL of its own, over https', async () => {
    const users = ['a', 'A', 'a ', 'a:b', '__proto__', 'constructor', 'é']
    const urls: string[] = []
    for (const name of ['email-agent', 'reader']) {
      const config = await rooms.configs.requireByName(name)
      for (const user of users)
        urls.push((await rooms.instances.url(await rooms.instances.ensure(config, user))).reveal())
    }
    expect(new Set(urls).size).toBe(users.length * 2)
    for (const url of urls) expect(url).toMatch(/^https:\/\/latchkey\.example\/mcp\/lkurl_[A-Za-z0-9_-]+$/)
  })
})
