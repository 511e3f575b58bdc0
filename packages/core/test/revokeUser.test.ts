import { describe, expect, it } from 'vitest'
import { createLatchkey, latchkeyGateway, type Backend } from '../src/index.ts'
import { CLIENT_ID, CLIENT_SECRET } from './fixtures/scriptedControlPlane.ts'
import { failureOf, setup } from './fixtures/setup.ts'

const AUTH_STATE = /:get_auth_state$/

const RECEIPT = {
  user_identifier: 'anna',
  revoked_at: '2026-07-28T10:00:00.000Z',
  session_tokens: 'revoked',
  instances_deleted: 1,
  links_cancelled: 2,
  connected_accounts: [{ connection_name: 'mail', connected_account_id: 'ca_1', upstream_revocation: 'failed' }],
}

describe('revokeUser', () => {
  it('asks the control plane once, and gives the receipt', async () => {
    const { plane, latchkey } = await setup()
    plane.inject(/^POST .*users:revoke$/, () => Response.json(RECEIPT))
    expect(await latchkey.revokeUser('anna')).toEqual({
      userIdentifier: 'anna',
      revokedAt: new Date('2026-07-28T10:00:00.000Z'),
      instancesDeleted: 1,
      linksCancelled: 2,
      connectedAccounts: [{ connectionName: 'mail', connectedAccountId: 'ca_1', upstreamRevocation: 'failed' }],
    })
    const asked = plane.requests.filter(({ path }) => path === '/api/v1/users:revoke')
    expect(asked.map(({ body }) => JSON.parse(body) as unknown)).toEqual([{ identifier: 'anna' }])
  })

  it('asks for everything anew afterwards, for this user and no other', async () => {
    const { plane, latchkey } = await setup()
    plane.inject(/^POST .*users:revoke$/, () => Response.json(RECEIPT))
    for (const user of ['anna', 'berta']) {
      plane.setStatus(user, 'mail', 'ACTIVE')
      await latchkey.userTools(user)
    }
    const requestsFor = async (user: string) => {
      const before = plane.requests.length
      await latchkey.userTools(user)
      return plane.requests.length - before
    }
    expect(await requestsFor('anna')).toBe(0)
    await latchkey.revokeUser('anna')
    expect(await requestsFor('berta')).toBe(0)
    expect(await requestsFor('anna')).toBeGreaterThan(0)
  })

  it('gives new links to what is missing afterwards, to this user and no other', async () => {
    const { plane, latchkey } = await setup({ connections: ['mail', 'calendar'], toolNames: ['mail__search'] })
    plane.inject(/^POST .*users:revoke$/, () => Response.json(RECEIPT))
    const linkOf = async (user: string) => {
      plane.setStatus(user, 'mail', 'ACTIVE')
      const { missing } = await latchkey.userTools(user, { require: 'any' })
      return missing.map(({ authenticationLink }) => authenticationLink)
    }
    const before = { anna: await linkOf('anna'), berta: await linkOf('berta') }
    await latchkey.revokeUser('anna')
    expect(await linkOf('berta')).toEqual(before.berta)
    const after = await linkOf('anna')
    expect(after).toEqual([expect.stringMatching(/\/connect\//)])
    expect(after).not.toEqual(before.anna)
  })

  it('gives new links afterwards also when some were being made meanwhile', async () => {
    const { plane, latchkey } = await setup({ connections: ['mail', 'calendar'], toolNames: ['mail__search'] })
    plane.inject(/^POST .*users:revoke$/, () => Response.json(RECEIPT))
    const made = Promise.withResolvers<undefined>()
    plane.inject(AUTH_STATE, () => made.promise, 1)
    plane.setStatus('anna', 'mail', 'ACTIVE')
    const linkOf = async () => (await latchkey.userTools('anna', { require: 'any' })).missing[0]?.authenticationLink
    const before = linkOf()
    await plane.seen(AUTH_STATE)
    await latchkey.revokeUser('anna')
    const between = await linkOf()
    made.resolve(undefined)
    expect(await before).not.toBe(between)
    expect(await linkOf()).toBe(between)
  })

  it('forgets what is known of the user also when nobody can tell whether it was done', async () => {
    const { plane, latchkey } = await setup()
    plane.setStatus('anna', 'mail', 'ACTIVE')
    await latchkey.userTools('anna')
    plane.inject(/^POST .*users:revoke$/, () => new Response('', { status: 500 }))
    await failureOf(latchkey.revokeUser('anna'))
    const before = plane.requests.length
    await latchkey.userTools('anna')
    expect(plane.requests.length).toBeGreaterThan(before)
  })

  it('is rejected where the backend cannot do it in one call', async () => {
    const { plane } = await setup()
    const backend: Backend = {
      ...latchkeyGateway({ url: plane.url, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET }),
    }
    delete backend.revokeUser
    await using latchkey = createLatchkey({ backend, config: 'c' })
    expect((await failureOf(latchkey.revokeUser('anna'))).code).toBe('rejected')
  })
})
