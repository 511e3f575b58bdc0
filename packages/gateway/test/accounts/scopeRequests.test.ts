import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AccountEvent, Credential } from '../../src/domain.ts'
import { openRooms, OPTIONS, type Rooms } from '../control/openRooms.ts'

const HOUR_MS = 60 * 60_000

function grantOf(scope: string | undefined): Credential {
  return {
    type: 'oauth2',
    accessToken: 'canary-access-token',
    refreshToken: undefined,
    expiresAt: undefined,
    scope,
    issuer: 'https://as.example',
    clientId: 'client',
    resource: 'https://mail.example/mcp',
  }
}

let rooms: Rooms
let told: AccountEvent[]
async function open(options = {}): Promise<void> {
  rooms = await openRooms({ ...OPTIONS, ...options })
  told = []
  rooms.events.subscribe((event) => told.push(event))
}
beforeEach(() => open())
afterEach(() => rooms.close())

const mail = () => rooms.accountOf('email-agent', 'anna', 'mail')

async function findLink(url: string) {
  const link = await rooms.accounts.findLink(url.split('/').at(-1) ?? '')
  if (link === undefined) throw new Error('no link')
  return link
}

async function consent(scope: string | undefined) {
  const { url } = await rooms.accounts.createLink(await mail())
  return await rooms.accounts.activate((await findLink(url.reveal())).id, grantOf(scope))
}

describe('requestScope', () => {
  it('T33: lets links of an ACTIVE account ask for what was granted and what is needed, until its user consents', async () => {
    await consent('mail.read')
    const { url } = await rooms.accounts.createLink(await mail())
    expect((await findLink(url.reveal())).scope).toBeUndefined()
    await rooms.accounts.requestScope(await mail(), 'mail.read mail.send')
    await rooms.accounts.requestScope(await mail(), 'mail.label')
    expect((await findLink(url.reveal())).scope).toEqual({ granted: 'mail.read', needed: 'mail.send mail.label' })
    expect((await mail()).status).toBe('ACTIVE')
    told = []
    expect(await consent('mail.read mail.send mail.label')).toBe(true)
    expect((await findLink(url.reveal())).scope).toBeUndefined()
    expect(told).toMatchObject([{ status: 'ACTIVE', oldStatus: 'ACTIVE', userIdentifier: 'anna' }])
  })

  it('keeps a consent of an ACTIVE account out while nobody has asked for more', async () => {
    await consent('mail.read')
    await expect(consent('mail.read')).rejects.toMatchObject({ code: 'conflict' })
  })

  it('is refused for what was granted already', async () => {
    await consent('mail.read mail.send')
    await expect(rooms.accounts.requestScope(await mail(), 'mail.send')).rejects.toMatchObject({ code: 'precondition' })
  })

  it('is refused after three consents in vain, for an hour and for this scope', async () => {
    await consent('mail.read')
    for (let count = 0; count < 3; count += 1) {
      await rooms.accounts.requestScope(await mail(), 'mail.send')
      await consent('mail.read')
    }
    await expect(rooms.accounts.requestScope(await mail(), 'mail.send')).rejects.toMatchObject({ code: 'precondition' })
    await rooms.accounts.requestScope(await mail(), 'mail.label')
    await consent('mail.read mail.label')
    rooms.advance(HOUR_MS)
    await rooms.accounts.requestScope(await mail(), 'mail.send')
  })

  it('leaves the account ACTIVE while the app has not verified who consented to more', async () => {
    await rooms.close()
    await open({ userVerification: { url: 'https://app.example/verify' } })
    const verify = async (awaiting: Awaited<ReturnType<typeof consent>>) => {
      if (typeof awaiting !== 'object') throw new Error('not awaiting')
      const authRequestId = new URL(awaiting.verifyAt.reveal()).searchParams.get('auth_request_id') ?? ''
      await rooms.accounts.verifyUser({ authRequestId, userIdentifier: 'anna', clientId: 'app' })
    }
    await verify(await consent('mail.read'))
    await rooms.accounts.requestScope(await mail(), 'mail.send')
    const awaiting = await consent('mail.read mail.send')
    const waiting = await mail()
    expect(waiting.status).toBe('ACTIVE')
    expect((await rooms.accounts.readCredential(waiting.id))?.credential).toMatchObject({ scope: 'mail.read' })
    await verify(awaiting)
    expect((await rooms.accounts.readCredential(waiting.id))?.credential).toMatchObject({
      scope: 'mail.read mail.send',
    })
    expect((await mail()).status).toBe('ACTIVE')
  })

  it('leaves the account and its old grant as they are when nobody verifies', async () => {
    await rooms.close()
    await open({ userVerification: { url: 'https://app.example/verify' } })
    const account = await mail()
    await rooms.store.accounts.setCredential(account, {
      sealed: rooms.vault.seal(JSON.stringify(grantOf('mail.read')), [
        'connected_accounts',
        account.id,
        account.userIdentifier,
        account.connectionId,
        'sealed_credential',
        String(account.generation + 1),
      ]),
      status: 'ACTIVE',
      at: new Date(0),
    })
    await rooms.accounts.requestScope(await mail(), 'mail.send')
    await consent('mail.read mail.send')
    rooms.advance(HOUR_MS)
    await rooms.accounts.discardUnverified()
    expect((await mail()).status).toBe('ACTIVE')
    expect((await rooms.accounts.readCredential(account.id))?.credential).toMatchObject({ scope: 'mail.read' })
  })
})
