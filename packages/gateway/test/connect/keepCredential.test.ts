import { describe, expect, it } from 'vitest'
import { keepCredential } from '../../src/connect/keepCredential.ts'
import type { Credential } from '../../src/domain.ts'
import { openRooms } from '../control/openRooms.ts'

const GRANT: Credential = {
  type: 'oauth2',
  accessToken: 'canary-access',
  refreshToken: undefined,
  expiresAt: undefined,
  scope: undefined,
  issuer: 'https://login.example',
  clientId: 'client',
  resource: 'https://mail.example/mcp',
}

describe('keepCredential', () => {
  it('does not tell the audit log that an account was connected when the link was used up meanwhile', async () => {
    const rooms = await openRooms()
    const { url } = await rooms.accounts.createLink(await rooms.accountOf('email-agent', 'anna', 'mail'))
    const token = new URL(url.reveal()).pathname.split('/').at(-1) ?? ''
    const link = await rooms.accounts.findLink(token)
    if (link === undefined) throw new Error('there is no link')
    const noted: string[] = []
    const room = {
      accounts: rooms.accounts,
      revoke: async () => undefined,
      report: () => undefined,
      note: async (_link: unknown, what: string) => void noted.push(what),
    }
    const given = { token, link, credential: GRANT, mayReplaceAccount: false }
    await keepCredential(room, given)
    await rooms.accounts.setStatus(await rooms.accountOf('email-agent', 'anna', 'mail'), 'EXPIRED')
    await keepCredential(room, given)
    expect(noted).toEqual(['completed', 'failed'])
    await rooms.close()
  })

  it('gives back what a provider gave to a user who was revoked while away there', async () => {
    const rooms = await openRooms()
    const { url } = await rooms.accounts.createLink(await rooms.accountOf('email-agent', 'anna', 'mail'))
    const token = new URL(url.reveal()).pathname.split('/').at(-1) ?? ''
    const link = await rooms.accounts.findLink(token)
    if (link === undefined) throw new Error('there is no link')
    await rooms.revocations.revokeUser('anna')
    const givenBack: Credential[] = []
    const room = {
      accounts: rooms.accounts,
      revoke: async (_connection: unknown, credential: Credential) => void givenBack.push(credential),
      report: () => undefined,
      note: async () => undefined,
    }
    const path = await keepCredential(room, { token, link, credential: GRANT, mayReplaceAccount: false })
    expect(path).toBe(`/connect/${token}`)
    expect(givenBack).toEqual([GRANT])
    await rooms.close()
  })
})
