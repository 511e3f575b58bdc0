import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Credential } from '../../src/domain.ts'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import { openRooms, OPTIONS, type Rooms } from '../control/openRooms.ts'
import { heldInFiles } from '../vault/filesHold.ts'

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

describe('deletion', () => {
  let folder: string
  let rooms: Rooms
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latchkey-deletion-'))
    rooms = await openRooms(OPTIONS, await openSqliteStore(join(folder, 'latchkey.db')))
  })
  afterEach(async () => {
    await rooms.close()
    await rm(folder, { recursive: true })
  })

  /** Connects an account; gives it and the bytes that lie sealed in the file for it. */
  async function connect(connection: 'mail' | 'search', credential?: Credential) {
    const config = connection === 'mail' ? 'email-agent' : 'search-agent'
    const account = await rooms.accountOf(config, 'anna', connection)
    const { url } = await rooms.accounts.createLink(account)
    await rooms.connect(url.reveal(), credential)
    const read = await rooms.store.accounts.readCredential(account.id)
    if (read === undefined) throw new Error('there is no credential')
    return { id: account.id, sealed: read.sealed }
  }

  it('T68: leaves nothing of a user in the database and its log: no sealed credential, no link', async () => {
    const mail = await connect('mail', GRANT)
    const search = await connect('search')
    const sealed = [mail.sealed, search.sealed]
    expect(await heldInFiles(folder, sealed)).toHaveLength(2)
    await rooms.revocations.revokeUser('anna')
    expect(await heldInFiles(folder, sealed)).toEqual([])
  })

  it('T68: keeps no copy that was made to tell the server, once the server is told', async () => {
    await connect('mail', GRANT)
    const answer = Promise.withResolvers<'revoked'>()
    rooms.upstream.outcome = answer.promise
    const revoking = rooms.revocations.revokeUser('anna')
    await expect.poll(() => rooms.upstream.told).toEqual(['canary-access'])
    const [pending] = await rooms.store.pendingRevocations.ofUser('anna')
    const copy = [pending?.sealedCredential ?? new Uint8Array()]
    expect(await heldInFiles(folder, copy)).toHaveLength(1)
    answer.resolve('revoked')
    await revoking
    expect(await heldInFiles(folder, copy)).toEqual([])
  })

  it('T68: leaves no sealed credential of an account that is removed alone', async () => {
    const { id, sealed } = await connect('search')
    expect(await heldInFiles(folder, [sealed])).toHaveLength(1)
    await rooms.revocations.removeAccount(id)
    expect(await heldInFiles(folder, [sealed])).toEqual([])
  })
})
