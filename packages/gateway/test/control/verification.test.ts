import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AccountEvent, Credential } from '../../src/domain.ts'
import { CLIENT_SECRET, openRooms, OPTIONS, START, type Rooms } from './openRooms.ts'

const CALLBACK = 'https://app.example/latchkey/callback?tenant=a%20b'
const WITH_VERIFICATION = {
  ...OPTIONS,
  userVerification: { url: CALLBACK, allowedOrigins: ['https://staging.example'] },
}
const MINUTE = 60_000
const LINKS = '/api/v1/connected_accounts/magic_link'
const VERIFY = '/api/v1/connected_accounts/user/verify'

const grantOf = (accessToken: string, subject?: string): Credential => ({
  type: 'oauth2',
  accessToken,
  refreshToken: undefined,
  expiresAt: undefined,
  scope: 'mail.read',
  issuer: 'https://as.example',
  clientId: 'client',
  resource: 'https://mail.example/mcp',
  ...(subject !== undefined && { subject }),
})

let rooms: Rooms
let told: AccountEvent[]
beforeEach(async () => await open())
afterEach(() => rooms.close())

async function open(options: Parameters<typeof openRooms>[0] = WITH_VERIFICATION, store?: Rooms['store']) {
  rooms = await openRooms(options, store)
  told = []
  rooms.events.subscribe((event) => told.push(event))
}

async function post(path: string, body: unknown, clientId = 'app') {
  const secret = clientId === 'app' ? CLIENT_SECRET : 'another-secret'
  const token = await rooms.app.request('/oauth/token', {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'client_credentials', client_id: clientId, client_secret: secret }),
  })
  const authorization = `Bearer ${(await token.json()).access_token}`
  const headers = { authorization, 'content-type': 'application/json' }
  const response = await rooms.app.request(path, { method: 'POST', headers, body: JSON.stringify(body) })
  return { status: response.status, body: await response.json() }
}

async function linkFor(user: string, extra: object = {}, clientId?: string): Promise<string> {
  const { status, body } = await post(LINKS, { connector: 'mail', identifier: user, ...extra }, clientId)
  expect(status).toBe(200)
  return body.link
}

/** Consents as the page would; gives where the browser goes. */
async function consent(link: string, accessToken = 'canary-token', subject?: string): Promise<URL> {
  const kept = await rooms.connect(link, grantOf(accessToken, subject))
  if (typeof kept !== 'object') throw new Error(`nothing waits for verification: ${kept}`)
  return new URL(kept.verifyAt.reveal())
}

async function requestIdOf(link: string, accessToken?: string, subject?: string): Promise<string> {
  return (await consent(link, accessToken, subject)).searchParams.get('auth_request_id') ?? ''
}

const verify = async (authRequestId: string, identifier: string, clientId?: string) =>
  await post(VERIFY, { auth_request_id: authRequestId, identifier }, clientId)

const mailOf = async (user: string) => await rooms.accountOf('email-agent', user, 'mail')
const statusOf = async (user: string) => (await mailOf(user)).status

const keptToken = async () => {
  const read = await rooms.accounts.readCredential((await mailOf('ann')).id)
  return read?.credential.type === 'oauth2' ? read.credential.accessToken : undefined
}

describe(`POST ${LINKS}`, () => {
  it('gives a link and when it ends, for a connection and a user or for an account', async () => {
    const { status, body } = await post(LINKS, { connector: 'mail', identifier: 'ann' })
    expect(status).toBe(200)
    expect(body).toEqual({
      link: expect.stringMatching(/^https:\/\/latchkey\.example\/connect\/lklink_[\w-]{43}$/),
      expiry: new Date(START + 10 * MINUTE).toISOString(),
    })
    const { id } = await mailOf('ann')
    for (const account of [{ id }, { id, identifier: 'ann' }]) expect((await post(LINKS, account)).status).toBe(200)
  })

  it.each([
    [404, { connector: 'nothing', identifier: 'ann' }],
    [404, { id: 'ca_nothing' }],
    [400, { connector: 'mail' }],
    [400, { identifier: 'ann' }],
    [400, { connector: 'docs', identifier: 'ann' }],
    [400, { connector: 'mail', identifier: '' }],
    [400, { connector: 'mail', identifier: 'ann', state: '' }],
    [400, { connector: 'mail', identifier: 'ann', state: 'x'.repeat(1_025) }],
  ])('answers %i to %j', async (status, request) => {
    expect((await post(LINKS, request)).status).toBe(status)
  })

  it("does not give one user a link for another one's account", async () => {
    const { id } = await mailOf('ann')
    expect((await post(LINKS, { id, identifier: 'ben' })).status).toBe(404)
  })

  it.each([
    '//evil.example',
    'https:\\\\evil.example',
    'https://app.example@evil.example',
    'https://app.example%2f.evil.example',
    'https://xn--pp-6kc.example/cb',
    'https://app.example/cb#x',
    'https://evil.example/cb',
    'http://127.0.0.1/cb',
  ])('T30: refuses the verify URL %s', async (url) => {
    const { status, body } = await post(LINKS, { connector: 'mail', identifier: 'ann', user_verify_url: url })
    expect([status, body.message]).toEqual([400, expect.stringContaining('user_verify_url')])
  })

  it('T22: makes links in which nothing of the user can be read', async () => {
    const link = await linkFor('ann-canary@example.com', { state: 'state-canary' })
    const token = new URL(link).pathname.split('/').at(-1) ?? ''
    const decoded = link + Buffer.from(token.replace('lklink_', ''), 'base64url').toString('latin1')
    expect(decoded).not.toMatch(/ann|canary|mail/i)
    expect(new URL(link).search).toBe('')
  })
})

describe(`POST ${VERIFY}`, () => {
  it('T20: makes the account ACTIVE when the app names the user that the link was made for', async () => {
    const at = await consent(await linkFor('ann', { state: 'its state' }))
    expect(at.href).toMatch(
      /^https:\/\/app\.example\/latchkey\/callback\?tenant=a\+b&auth_request_id=[\w-]{43}&state=its\+state$/,
    )
    const account = await mailOf('ann')
    expect(account).toMatchObject({ status: 'PENDING_VERIFICATION', generation: 0 })
    expect(await rooms.accounts.readCredential(account.id)).toBeUndefined()
    expect(await verify(at.searchParams.get('auth_request_id') ?? '', 'ann')).toEqual({
      status: 200,
      body: { post_user_verify_redirect_url: 'https://latchkey.example/oauth/result/connected' },
    })
    expect((await rooms.accounts.readCredential(account.id))?.credential).toEqual(grantOf('canary-token'))
    expect(told.map(({ oldStatus, status }) => [oldStatus, status])).toEqual([
      ['PENDING_AUTH', 'PENDING_VERIFICATION'],
      ['PENDING_VERIFICATION', 'ACTIVE'],
    ])
    expect(rooms.upstream.told).toEqual([])
  })

  it('T20: destroys what was consented and gives it back upstream when the app names somebody else', async () => {
    const id = await requestIdOf(await linkFor('ann'), 'of-ben')
    const refused = await verify(id, 'ben')
    expect(refused.status).toBe(403)
    expect(await statusOf('ann')).toBe('PENDING_AUTH')
    expect(rooms.upstream.told).toEqual(['of-ben'])
    // Too late for the right one too.
    expect(await verify(id, 'ann')).toEqual(refused)
    expect(await statusOf('ann')).toBe('PENDING_AUTH')
    expect(await rooms.store.verifications.expired(new Date(START + 60 * MINUTE), 10)).toEqual([])
  })

  it.each(['Ann', 'ann ', 'ann\u200b', 'a'])('T20: takes %j for somebody else than "ann"', async (other) => {
    const id = await requestIdOf(await linkFor('ann'))
    expect((await verify(id, other)).status).toBe(403)
    expect(await statusOf('ann')).toBe('PENDING_AUTH')
  })

  it('T20: an account that has expired is EXPIRED again when it is not verified, and its old grant is not given back', async () => {
    expect((await verify(await requestIdOf(await linkFor('ann'), 'old'), 'ann')).status).toBe(200)
    await rooms.accounts.setStatus(await mailOf('ann'), 'EXPIRED')
    const id = await requestIdOf(await linkFor('ann'), 'new')
    expect(await statusOf('ann')).toBe('PENDING_VERIFICATION')
    await verify(id, 'ben')
    expect(await statusOf('ann')).toBe('EXPIRED')
    expect(rooms.upstream.told).toEqual(['new'])
  })

  it('T20: what nobody verifies is gone within ten minutes, and given back upstream', async () => {
    const id = await requestIdOf(await linkFor('ann'))
    rooms.advance(8 * MINUTE)
    await rooms.accounts.discardUnverified()
    expect(await statusOf('ann')).toBe('PENDING_VERIFICATION')
    rooms.advance(1.5 * MINUTE)
    await rooms.accounts.discardUnverified()
    expect(await rooms.store.verifications.expired(new Date(START + 60 * MINUTE), 10)).toEqual([])
    expect([await statusOf('ann'), rooms.upstream.told]).toEqual(['PENDING_AUTH', ['canary-token']])
    expect((await verify(id, 'ann')).status).toBe(403)
  })

  it('T20: purges what expired although a value before it cannot be opened any more', async () => {
    const broken = await requestIdOf(await linkFor('ann'), 'of-ann')
    await consent(await linkFor('ben'), 'of-ben')
    const [first] = await rooms.store.verifications.ofAccount((await mailOf('ann')).id, 'ann')
    if (first === undefined) throw new Error('nothing waits')
    await rooms.store.verifications.take(first.requestHash, 'ann')
    await rooms.store.verifications.insert({ ...first, sealedCredential: Uint8Array.of(1, 2, 3) })
    expect((await verify(broken, 'ann')).status).toBe(500)
    rooms.advance(10 * MINUTE)
    await rooms.accounts.discardUnverified()
    expect([await statusOf('ann'), await statusOf('ben'), rooms.upstream.told]).toEqual([
      'PENDING_AUTH',
      'PENDING_AUTH',
      ['of-ben'],
    ])
  })

  it('T20: what was verified is verified although the servers of the other consents cannot be told now', async () => {
    const [mine, theirs] = [await linkFor('ann'), await linkFor('ann')]
    await requestIdOf(theirs, 'of-ben', 'ben')
    const right = await requestIdOf(mine, 'of-ann', 'ann')
    const ofUser = rooms.store.pendingRevocations.ofUser.bind(rooms.store.pendingRevocations)
    Object.assign(rooms.store.pendingRevocations, { ofUser: () => Promise.reject(new Error('the database is away')) })
    expect((await verify(right, 'ann')).status).toBe(200)
    Object.assign(rooms.store.pendingRevocations, { ofUser })
    expect(await statusOf('ann')).toBe('ACTIVE')
  })

  it('T20: says that it is not connected any more as soon as somebody looks, whoever cleans up', async () => {
    await consent(await linkFor('ann'))
    rooms.advance(9 * MINUTE)
    expect([await statusOf('ann'), rooms.upstream.told]).toEqual(['PENDING_AUTH', ['canary-token']])
  })

  it('T20: is refused when it comes too late, also before anybody has cleaned up', async () => {
    const id = await requestIdOf(await linkFor('ann'))
    rooms.advance(9 * MINUTE)
    expect((await verify(id, 'ann')).status).toBe(403)
    expect([await statusOf('ann'), rooms.upstream.told]).toEqual(['PENDING_AUTH', ['canary-token']])
  })

  it('T20: applies to a link that was made before it was switched on', async () => {
    await rooms.close()
    await open(OPTIONS)
    const link = await linkFor('ann')
    await open(WITH_VERIFICATION, rooms.store)
    expect((await consent(link)).origin).toBe('https://app.example')
    expect(await statusOf('ann')).toBe('PENDING_VERIFICATION')
  })

  it('T20: applies to links of the auth state too', async () => {
    const { body } = await post('/api/v1/mcp/instances', { config_name: 'email-agent', user_identifier: 'ann' })
    const state = await post(`/api/v1/mcp/instances/${body.instance.id}:get_auth_state`, { include_auth_links: true })
    const link = state.body.connections[0].authentication_link
    expect((await consent(link)).searchParams.has('state')).toBe(false)
    expect(await statusOf('ann')).toBe('PENDING_VERIFICATION')
  })

  it('T20: survives a restart, and is no way around it', async () => {
    const id = await requestIdOf(await linkFor('ann'))
    await open(WITH_VERIFICATION, rooms.store)
    expect(await statusOf('ann')).toBe('PENDING_VERIFICATION')
    expect((await verify(id, 'ann')).status).toBe(200)
    expect(await statusOf('ann')).toBe('ACTIVE')
  })

  it('T20: one consent that is verified ends all others of the account, of other people too', async () => {
    const [mine, theirs] = [await linkFor('ann'), await linkFor('ann')]
    const stranger = await requestIdOf(theirs, 'of-ben', 'ben')
    const right = await requestIdOf(mine, 'of-ann', 'ann')
    expect((await verify(right, 'ann')).status).toBe(200)
    // At once, and not only when it would have expired.
    expect(rooms.upstream.told).toEqual(['of-ben'])
    expect((await verify(stranger, 'ann')).status).toBe(403)
    const { id } = await mailOf('ann')
    expect((await rooms.accounts.readCredential(id))?.credential).toEqual(grantOf('of-ann', 'ann'))
    expect(rooms.upstream.told).toEqual(['of-ben'])
  })

  it('T20: waits on when one of two consents is refused, and is what it was before when both are', async () => {
    const [one, other] = [
      await requestIdOf(await linkFor('ann'), 'one'),
      await requestIdOf(await linkFor('ann'), 'other'),
    ]
    await verify(one, 'ben')
    expect(await statusOf('ann')).toBe('PENDING_VERIFICATION')
    await verify(other, 'ben')
    expect([await statusOf('ann'), rooms.upstream.told]).toEqual(['PENDING_AUTH', ['one', 'other']])
    expect(told.map(({ status }) => status)).toEqual(['PENDING_VERIFICATION', 'PENDING_AUTH'])
  })

  it('T20: does not bring back an account that was disconnected or revoked meanwhile', async () => {
    const id = await requestIdOf(await linkFor('ann'))
    await rooms.accounts.setStatus(await mailOf('ann'), 'DISCONNECTED')
    expect((await verify(id, 'ann')).status).toBe(403)
    expect(await statusOf('ann')).toBe('DISCONNECTED')
    const later = await requestIdOf(await linkFor('ben'))
    await rooms.revocations.revokeUser('ben')
    expect((await verify(later, 'ben')).status).toBe(403)
    expect(await statusOf('ben')).toBe('PENDING_AUTH')
    expect(rooms.upstream.told).toHaveLength(2)
  })

  it('T21: succeeds once of 100 at the same time', async () => {
    const id = await requestIdOf(await linkFor('ann'))
    const results = await Promise.all(Array.from({ length: 100 }, () => verify(id, 'ann')))
    expect(results.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(results.filter(({ status }) => status === 403)).toHaveLength(99)
    expect(await statusOf('ann')).toBe('ACTIVE')
    expect(told.filter(({ status }) => status === 'ACTIVE')).toHaveLength(1)
  })

  it('T21: refuses a replay, another client, another request and another user all in the same words', async () => {
    const id = await requestIdOf(await linkFor('ann'))
    const refusals = [await verify(id, 'ann', 'other'), await verify('x'.repeat(43), 'ann'), await verify('x', 'ann')]
    // Another client's try has not harmed it.
    expect((await verify(id, 'ann')).status).toBe(200)
    refusals.push(await verify(id, 'ann'))
    refusals.push(await verify(await requestIdOf(await linkFor('ben')), 'ann'))
    expect(new Set(refusals.map((refusal) => JSON.stringify(refusal))).size).toBe(1)
    expect(refusals[0]?.status).toBe(403)
  })

  it('T21: belongs to one connection: another one of the same user stays as it was', async () => {
    await requestIdOf(await linkFor('ann', { connector: 'search' }))
    const mail = await requestIdOf(await linkFor('ann'))
    expect((await verify(mail, 'ann')).status).toBe(200)
    expect((await rooms.accountOf('search-agent', 'ann', 'search')).status).toBe('PENDING_VERIFICATION')
  })

  it.each([
    ['no request', { identifier: 'ann' }],
    ['no identifier', { auth_request_id: 'x' }],
    ['a huge request', { auth_request_id: 'x'.repeat(257), identifier: 'ann' }],
  ])('refuses %s', async (_case, body) => {
    expect((await post(VERIFY, body)).status).toBe(400)
  })

  it('keeps neither the request, the state nor the credential in the open', async () => {
    const link = await linkFor('ann', { state: 'state-canary' })
    const id = await requestIdOf(link, 'canary-token')
    const [pending] = await rooms.store.verifications.expired(new Date(START + 60 * MINUTE), 10)
    expect(pending?.requestHash).toBe(createHash('sha256').update(id).digest('hex'))
    const kept = Buffer.from(pending?.sealedCredential ?? []).toString('latin1') + JSON.stringify(pending)
    for (const secret of ['canary', id]) expect(kept).not.toContain(secret)
  })
})

describe('where users are not verified', () => {
  it('becomes ACTIVE at once, and takes a verify URL from nobody', async () => {
    await rooms.close()
    await open(OPTIONS)
    expect(await rooms.connect(await linkFor('ann'), grantOf('x'))).toBe(true)
    expect(await statusOf('ann')).toBe('ACTIVE')
    const request = { connector: 'mail', identifier: 'ann', user_verify_url: 'https://app.example/cb' }
    expect((await post(LINKS, request)).status).toBe(400)
  })

  it('verifies all the same, on loopback, where a link asks for it', async () => {
    await rooms.close()
    await open({ ...OPTIONS, publicUrl: 'http://127.0.0.1:8787', userVerification: undefined })
    const link = await linkFor('ann', { user_verify_url: 'http://127.0.0.1:3000/cb', state: 's' })
    const at = await consent(link)
    expect([at.origin, await statusOf('ann')]).toEqual(['http://127.0.0.1:3000', 'PENDING_VERIFICATION'])
    expect((await verify(at.searchParams.get('auth_request_id') ?? '', 'ann')).status).toBe(200)
  })
})

describe('T34: another account at the service', () => {
  beforeEach(async () => {
    await rooms.close()
    await open(OPTIONS)
    await rooms.connect(await linkFor('ann'), grantOf('first', 'ann@work'))
    await rooms.accounts.setStatus(await mailOf('ann'), 'EXPIRED')
  })

  it('T34: is not taken for the one before; the old grant and the link stay as they were', async () => {
    const link = await linkFor('ann')
    await expect(rooms.connect(link, grantOf('second', 'ann@home'))).rejects.toMatchObject({ code: 'precondition' })
    expect([await statusOf('ann'), await keptToken()]).toEqual(['EXPIRED', 'first'])
    expect(await rooms.connect(link, grantOf('third', 'ann@work'))).toBe(true)
    expect([await statusOf('ann'), await keptToken()]).toEqual(['ACTIVE', 'third'])
  })

  it('T34: replaces the one before when the person says that this is meant', async () => {
    const link = await rooms.accounts.findLink((await linkFor('ann')).split('/').at(-1) ?? '')
    const second = grantOf('second', 'ann@home')
    expect(await rooms.accounts.activate(link?.id ?? '', second, { mayReplaceAccount: true })).toBe(true)
    expect(await keptToken()).toBe('second')
  })

  it('T34: is not asked about where the server does not say who signed in', async () => {
    expect(await rooms.connect(await linkFor('ann'), grantOf('second'))).toBe(true)
  })
})
