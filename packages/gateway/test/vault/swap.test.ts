import { mkdtemp, rm } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createVault } from '../../src/vault/vault.ts'
import { withAlarm, type UnreadablePlace } from '../../src/vault/withAlarm.ts'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import { API_KEY, openRooms, OPTIONS } from '../control/openRooms.ts'
import { aRing } from '../keys/ring.ts'

describe('a credential that somebody moved in the database', () => {
  let folder: string
  let database: DatabaseSync
  let rooms: Awaited<ReturnType<typeof openRooms>>
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latchkey-swap-'))
    const path = join(folder, 'latchkey.db')
    rooms = await openRooms(OPTIONS, await openSqliteStore(path))
    database = new DatabaseSync(path)
  })
  afterEach(async () => {
    database.close()
    await rooms.close()
    await rm(folder, { recursive: true })
  })

  /** Connects the account of a user, and gives what is kept of it. */
  async function connected(user: string) {
    const { id } = await rooms.accountOf('search-agent', user, 'search')
    const { url } = await rooms.accounts.createLink(await rooms.accountOf('search-agent', user, 'search'))
    expect(await rooms.connect(url.reveal())).toBeTruthy()
    return { id, sealed: sealedOf(id) }
  }

  function sealedOf(id: string): Uint8Array {
    const row = database.prepare('select sealed_credential as sealed from connected_accounts where id = ?').get(id)
    if (!(row?.['sealed'] instanceof Uint8Array)) throw new Error('Nothing is sealed there')
    return row['sealed']
  }

  function put(id: string, sealed: Uint8Array): void {
    database.prepare('update connected_accounts set sealed_credential = ? where id = ?').run(sealed, id)
  }

  it("T60: does not open in another user's row", async () => {
    const [mine, theirs] = [await connected('u'), await connected('v')]
    put(mine.id, theirs.sealed)
    await expect(rooms.accounts.readCredential(mine.id)).rejects.toMatchObject({ code: 'internal' })
    put(mine.id, mine.sealed)
    await expect(rooms.accounts.readCredential(mine.id)).resolves.toBeDefined()
  })

  it('T60: does not open once the account has got a newer one', async () => {
    const { id, sealed } = await connected('u')
    const account = await rooms.accountOf('search-agent', 'u', 'search')
    expect(await rooms.accounts.replaceCredential(account, API_KEY)).toMatchObject({ generation: 2 })
    await expect(rooms.accounts.readCredential(id)).resolves.toBeDefined()
    put(id, sealed)
    await expect(rooms.accounts.readCredential(id)).rejects.toMatchObject({ code: 'internal' })
  })

  it('T60: does not open in another column', async () => {
    const { id, sealed } = await connected('u')
    const key = { issuer: 'i', redirectUri: 'r' }
    const ofClient = rooms.vault.seal('secret', ['oauth_clients', 'i', 'r', 'c', 'client_secret'])
    await rooms.store.registrations.put(key, { clientId: 'c', sealedClientSecret: ofClient, metadata: {} })
    put(id, ofClient)
    await expect(rooms.accounts.readCredential(id)).rejects.toMatchObject({ code: 'internal' })
    expect(() => rooms.vault.open(sealed, ['oauth_clients', 'i', 'r', 'c', 'client_secret'])).toThrow(
      /could not be opened/,
    )
  })
})

describe('withAlarm', () => {
  it('T60: tells where a value lies that does not open, and says nothing of those that do', () => {
    const told: UnreadablePlace[] = []
    const vault = withAlarm(createVault(aRing(['k1', 1])), (place) => told.push(place))
    const sealed = vault.seal('secret', ['connected_accounts', 'ca_1', 'user_1'])
    expect(vault.open(sealed, ['connected_accounts', 'ca_1', 'user_1'])).toBe('secret')
    expect(told).toEqual([])
    expect(() => vault.open(sealed, ['connected_accounts', 'ca_2', 'user_1'])).toThrow(/could not be opened/)
    expect(told).toEqual([{ table: 'connected_accounts', row: 'ca_2' }])
  })
})
