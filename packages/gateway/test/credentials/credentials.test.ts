import { describe, expect, it, vi } from 'vitest'
import { consentAs } from '../../../../test/src/fixtures/browser/consentAs.ts'
import { createCredentials } from '../../src/accounts/credentials.ts'
import type { Connection, Credential } from '../../src/domain.ts'
import { GatewayError } from '../../src/errors.ts'
import type { OpenedCredential, RefreshWatch } from '../../src/services.ts'
import { createLocalLocks } from '../../src/store/localLocks.ts'
import { createMemoryAccounts, type MemoryAccounts } from '../oauth/support/memoryAccounts.ts'
import { connectionTo, createTestClock } from '../oauth/support/parts.ts'
import { startWorld } from '../oauth/support/world.ts'

type OAuthCredential = Credential & { type: 'oauth2' }

const HOUR = 3_600_000
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

const stored = ({ refreshes }: MemoryAccounts) => ({ refreshes, locks: createLocalLocks() })

async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  return promise.then(
    () => undefined,
    (error: unknown) => (error instanceof GatewayError ? error.code : 'another error'),
  )
}

/** A connected account at a real authorization server whose refresh tokens rotate: one used twice ends the grant. */
async function startConnected() {
  const world = await startWorld()
  await consentAs('anna', world.newLink().url)
  const credentials = createCredentials({ ...world, ...stored(world.accounts) })
  const account = () => world.accounts.account(world.accountId)
  const headers = () => credentials.headersFor(world.connection, account())
  const refusal = (refused: OpenedCredential) => credentials.afterRefusal(world.connection, account(), refused)
  const works = async ({ headers: sent }: OpenedCredential) => {
    const response = await world.fetch(world.mail.url, { method: 'POST', headers: { ...sent }, body: '{}' })
    await response.body?.cancel()
    return response.status !== 401
  }
  return { ...world, credentials, account, headers, refusal, works }
}

/** An account whose refreshes a test answers itself. */
async function startScripted(
  refresh: (credential: OAuthCredential) => Promise<OAuthCredential>,
  { lifeMs = HOUR }: { lifeMs?: number | undefined } = {},
) {
  const clock = createTestClock()
  const connection = connectionTo('https://mail.example/mcp')
  const accounts = createMemoryAccounts(clock)
  const accountId = accounts.add(connection)
  const credential: OAuthCredential = {
    type: 'oauth2',
    accessToken: 'at-0',
    refreshToken: 'rt-0',
    expiresAt: Number.isFinite(lifeMs) ? clock() + lifeMs : undefined,
    scope: undefined,
    issuer: 'https://as.example',
    clientId: 'client',
    resource: 'https://mail.example/mcp',
  }
  const link = await accounts.findLink(accounts.link(accountId))
  await accounts.activate(link?.id ?? '', credential)
  const calls: OAuthCredential[] = []
  const oauth = {
    refresh: async (_connection: Connection, given: OAuthCredential) => {
      calls.push(given)
      return refresh(given)
    },
  }
  const credentials = createCredentials({ accounts, ...stored(accounts), oauth, clock })
  const account = () => accounts.account(accountId)
  const headers = () => credentials.headersFor(connection, account())
  const refusal = (refused: OpenedCredential) => credentials.afterRefusal(connection, account(), refused)
  return { clock, connection, accounts, accountId, credential, calls, oauth, credentials, account, headers, refusal }
}

const registryOf = (connection: Connection) => ({
  connection: (id: string) => (id === connection.id ? connection : undefined),
})

const unavailable = async (): Promise<never> => {
  throw new GatewayError('upstream_unavailable', 'not now')
}

const renew = async (given: OAuthCredential) => ({ ...given, accessToken: `${given.accessToken}+` })

describe('createCredentials', () => {
  describe('against a real authorization server with rotation', () => {
    it('refreshes once for three hundred callers when the token has expired', async () => {
      const { clock, headers, provider, works, account } = await startConnected()
      clock.advance(2 * HOUR)
      const opened = await Promise.all(Array.from({ length: 300 }, () => headers()))
      expect(provider.tokenCalls.refresh_token).toBe(1)
      expect(new Set(opened.map((one) => JSON.stringify(one))).size).toBe(1)
      expect(opened[0]?.generation).toBe(2)
      expect(await works(await headers())).toBe(true)
      expect(account().status).toBe('ACTIVE')
    })

    it('stays connected over many refreshes', async () => {
      const { clock, headers, provider, works } = await startConnected()
      for (let round = 1; round <= 5; round++) {
        clock.advance(2 * HOUR)
        expect(await works(await headers())).toBe(true)
        expect(provider.tokenCalls.refresh_token).toBe(round)
      }
    })

    it('refreshes once for all when the upstream refuses the token to three hundred callers', async () => {
      const { headers, provider, refusal, works } = await startConnected()
      const refused = await headers()
      provider.revokeAccessTokens('anna')
      expect(await works(refused)).toBe(false)
      const opened = await Promise.all(Array.from({ length: 300 }, () => refusal(refused)))
      expect(provider.tokenCalls.refresh_token).toBe(1)
      expect(await works(opened[299] ?? refused)).toBe(true)
    })

    it('keeps the grant when the server fails for an hour', async () => {
      const { clock, headers, provider, account, works } = await startConnected()
      clock.advance(2 * HOUR)
      provider.failTokenCalls({ status: 503, times: 60 })
      for (let minute = 0; minute < 60; minute++) {
        expect(await codeOf(headers())).toBe('upstream_unavailable')
        expect(account().status).toBe('ACTIVE')
        clock.advance(60_000)
      }
      expect(await works(await headers())).toBe(true)
    })

    it('makes the account EXPIRED, asking once, when the user has revoked the grant', async () => {
      const { clock, headers, provider, account } = await startConnected()
      provider.revokeUser('anna')
      clock.advance(2 * HOUR)
      const codes = await Promise.all(Array.from({ length: 50 }, () => codeOf(headers())))
      expect(new Set(codes)).toEqual(new Set(['consent_required']))
      expect(account().status).toBe('EXPIRED')
      expect(await codeOf(headers())).toBe('consent_required')
      expect(provider.tokenCalls.refresh_token).toBe(1)
    })
  })

  describe('headersFor', () => {
    it.each([
      [HOUR, 47 * 60_000, 0],
      [HOUR, 48 * 60_000, 1],
      [4 * 60_000, 2.9 * 60_000, 0],
      [4 * 60_000, 3 * 60_000, 1],
      [60_000, 29_000, 0],
      [60_000, 30_000, 1],
    ])('of a token that lives %i ms makes, after %i ms, %i refreshes', async (lifeMs, passedMs, refreshes) => {
      const { clock, headers, calls } = await startScripted(async (given) => ({ ...given, accessToken: 'at-1' }), {
        lifeMs,
      })
      expect(await headers()).toEqual({ generation: 1, headers: bearer('at-0') })
      clock.advance(passedMs)
      expect((await headers()).headers).toEqual(bearer(`at-${refreshes}`))
      expect(calls).toHaveLength(refreshes)
    })

    it('uses what is left of the token when a refresh that is due fails for the moment', async () => {
      const { clock, headers } = await startScripted(unavailable)
      clock.advance(50 * 60_000)
      expect((await headers()).headers).toEqual(bearer('at-0'))
      clock.advance(11 * 60_000)
      expect(await codeOf(headers())).toBe('upstream_unavailable')
    })

    it('T63: shares a failure for thirty seconds while the token still works', async () => {
      const { clock, headers, calls } = await startScripted(unavailable)
      clock.advance(50 * 60_000)
      await headers()
      clock.advance(29_999)
      expect((await headers()).headers).toEqual(bearer('at-0'))
      expect(calls).toHaveLength(1)
      clock.advance(1)
      await headers()
      expect(calls).toHaveLength(2)
    })

    it('T63: shares a failure with other processes', async () => {
      const { clock, headers, calls, accounts, connection, account, oauth } = await startScripted(unavailable)
      const other = createCredentials({ accounts, ...stored(accounts), oauth, clock })
      clock.advance(50 * 60_000)
      await headers()
      expect((await other.headersFor(connection, account())).headers).toEqual(bearer('at-0'))
      expect(calls).toHaveLength(1)
    })

    it('does not wait long for a refresh while the token still works', async () => {
      const { clock, headers, calls } = await startScripted(() => new Promise<never>(() => {}))
      clock.advance(50 * 60_000)
      vi.useFakeTimers()
      try {
        const opened = headers()
        await vi.waitFor(() => expect(calls).toHaveLength(1))
        await vi.advanceTimersByTimeAsync(2_000)
        expect((await opened).headers).toEqual(bearer('at-0'))
      } finally {
        vi.useRealTimers()
      }
    })

    it('shares a failure for a short time and then asks again', async () => {
      const { clock, headers, calls } = await startScripted(unavailable, { lifeMs: 0 })
      await codeOf(headers())
      clock.advance(4_999)
      expect(await codeOf(headers())).toBe('upstream_unavailable')
      expect(calls).toHaveLength(1)
      clock.advance(1)
      await codeOf(headers())
      expect(calls).toHaveLength(2)
    })

    it('does not refresh a token whose end is not known', async () => {
      const { clock, headers, calls } = await startScripted(unavailable, { lifeMs: Number.POSITIVE_INFINITY })
      clock.advance(1_000 * HOUR)
      expect((await headers()).headers).toEqual(bearer('at-0'))
      expect(calls).toHaveLength(0)
    })

    it('takes the credential that another replica wrote when it was faster', async () => {
      const scripted = await startScripted(async (given) => {
        const { accounts, account } = scripted
        await accounts.replaceCredential(account(), { ...given, accessToken: 'theirs', expiresAt: given.expiresAt })
        return { ...given, accessToken: 'ours' }
      })
      scripted.clock.advance(59 * 60_000)
      expect(await scripted.headers()).toEqual({ generation: 2, headers: bearer('theirs') })
    })

    it('writes what a refresh gave before it asks again when the first writing fails', async () => {
      const scripted = await startScripted(async (given) => ({ ...given, accessToken: 'at-1', refreshToken: 'rt-1' }))
      const { replaceCredential } = scripted.accounts
      scripted.accounts.replaceCredential = async () => {
        scripted.accounts.replaceCredential = replaceCredential
        throw new Error('the disk is full')
      }
      scripted.clock.advance(59 * 60_000)
      // What is left of the old token is not used: the server may have ended it with the refresh.
      await expect(
        scripted.credentials.afterRefusal(scripted.connection, scripted.account(), {
          generation: 1,
          headers: bearer('at-0'),
        }),
      ).rejects.toThrow('the disk is full')
      expect((await scripted.headers()).headers).toEqual(bearer('at-1'))
      expect(scripted.calls).toHaveLength(1)
    })

    it('never uses what a refresh gave and could not be written when the user has consented anew since', async () => {
      const { accounts, accountId, calls, clock, credential, headers, refusal } = await startScripted(renew)
      const { replaceCredential } = accounts
      accounts.replaceCredential = async () => {
        accounts.replaceCredential = replaceCredential
        throw new Error('the disk is full')
      }
      await expect(refusal(await headers())).rejects.toThrow('the disk is full')
      const link = await accounts.findLink(accounts.link(accountId))
      const anew = { ...credential, accessToken: 'at-new', refreshToken: 'rt-new', expiresAt: clock() + HOUR }
      await accounts.activate(link?.id ?? '', anew)
      expect(await headers()).toEqual({ generation: 2, headers: bearer('at-new') })
      expect(await refusal(await headers())).toEqual({ generation: 3, headers: bearer('at-new+') })
      expect(calls.map(({ refreshToken }) => refreshToken)).toEqual(['rt-0', 'rt-new'])
    })

    it('does not expire the account when the grant that the server refused was replaced meanwhile', async () => {
      const scripted = await startScripted(async (given) => {
        const { accounts, account } = scripted
        await accounts.replaceCredential(account(), { ...given, accessToken: 'theirs' })
        throw new GatewayError('consent_required', 'used already')
      })
      scripted.clock.advance(59 * 60_000)
      expect((await scripted.headers()).headers).toEqual(bearer('theirs'))
      expect(scripted.account().status).toBe('ACTIVE')
    })

    it('gives the reason together with the status when the server refuses to renew the grant', async () => {
      const { clock, accounts, headers } = await startScripted(async () => {
        throw new GatewayError('consent_required', 'Its authorization server answered "invalid_scope".')
      })
      clock.advance(2 * HOUR)
      expect(await codeOf(headers())).toBe('consent_required')
      expect(accounts.reasons).toEqual(['Its authorization server answered "invalid_scope".'])
    })

    it.each(['PENDING_AUTH', 'EXPIRED', 'DISCONNECTED'] as const)(
      'gives nothing of an account that is %s',
      async (status) => {
        const { accounts, account, headers } = await startScripted(unavailable)
        expect((await headers()).headers).toEqual(bearer('at-0'))
        await accounts.setStatus(account(), status)
        expect(await codeOf(headers())).toBe('consent_required')
      },
    )

    it.each([
      ['another server', connectionTo('https://evil.example/mcp')],
      ['another way to authorize', connectionTo('https://mail.example/mcp', { type: 'api_key', header: 'X-Api-Key' })],
    ])('sends no credential when the connection now names %s', async (_case, connection) => {
      const { credentials, account, headers } = await startScripted(unavailable)
      // In use before, so that it is open.
      expect((await headers()).headers).toEqual(bearer('at-0'))
      expect(await codeOf(credentials.headersFor(connection, account()))).toBe('consent_required')
      expect(account().status).toBe('EXPIRED')
    })

    it('sends what a refresh gave that began before to no other server', async () => {
      const renewal = Promise.withResolvers<OAuthCredential>()
      const began = Promise.withResolvers<OAuthCredential>()
      const { credentials, account, headers, clock } = await startScripted(async (credential) => {
        began.resolve(credential)
        return await renewal.promise
      })
      clock.advance(2 * HOUR)
      const before = headers()
      const credential = await began.promise
      const after = codeOf(credentials.headersFor(connectionTo('https://evil.example/mcp'), account()))
      renewal.resolve({ ...credential, accessToken: 'at-1', expiresAt: clock() + HOUR })
      expect((await before).headers).toEqual(bearer('at-1'))
      expect(await after).toBe('consent_required')
    })

    it('sends an API key to no other server when the connection points elsewhere since', async () => {
      const clock = createTestClock()
      const auth = { type: 'api_key', header: 'X-Api-Key' } as const
      const connection = connectionTo('https://mail.example/mcp', auth)
      const accounts = createMemoryAccounts(clock)
      const accountId = accounts.add(connection)
      const link = await accounts.findLink(accounts.link(accountId))
      await accounts.activate(link?.id ?? '', { type: 'api_key', key: 'k-1', origin: 'https://mail.example' })
      const credentials = createCredentials({ accounts, ...stored(accounts), clock, oauth: { refresh: unavailable } })
      const sent = await credentials.headersFor(connection, accounts.account(accountId))
      expect(sent.headers).toEqual({ 'x-api-key': 'k-1' })
      const moved = { ...connection, mcpServerUrl: 'https://evil.example/mcp' }
      expect(await codeOf(credentials.headersFor(moved, accounts.account(accountId)))).toBe('consent_required')
      expect(accounts.account(accountId).status).toBe('EXPIRED')
    })

    it('puts an API key into the header of the connection', async () => {
      const clock = createTestClock()
      const connection = connectionTo('https://mail.example/mcp', {
        type: 'api_key',
        header: 'X-Api-Key',
        prefix: 'Key ',
      })
      const accounts = createMemoryAccounts(clock)
      const accountId = accounts.add(connection)
      const link = await accounts.findLink(accounts.link(accountId))
      await accounts.activate(link?.id ?? '', { type: 'api_key', key: 'k-1', origin: 'https://mail.example' })
      const credentials = createCredentials({ accounts, ...stored(accounts), clock, oauth: { refresh: unavailable } })
      const opened = await credentials.headersFor(connection, accounts.account(accountId))
      expect(opened).toEqual({ generation: 1, headers: { 'x-api-key': 'Key k-1' } })
      expect(await codeOf(credentials.afterRefusal(connection, accounts.account(accountId), opened))).toBe(
        'consent_required',
      )
      expect(accounts.account(accountId).status).toBe('EXPIRED')
    })

    it('gives no headers for a connection without authorization', async () => {
      const { account, credentials } = await startScripted(unavailable)
      const connection = connectionTo('https://docs.example/mcp', { type: 'none' })
      expect(await credentials.headersFor(connection, account())).toEqual({ generation: 1, headers: {} })
    })
  })

  describe('afterRefusal', () => {
    it('gives the newer credential when somebody has renewed it already', async () => {
      const { headers, refusal, calls } = await startScripted(renew)
      const refused = await headers()
      expect(await refusal(refused)).toEqual({ generation: 2, headers: bearer('at-0+') })
      expect(await refusal(refused)).toEqual({ generation: 2, headers: bearer('at-0+') })
      expect(calls).toHaveLength(1)
    })

    it('makes the account EXPIRED when the renewed credential is refused at once', async () => {
      const { headers, refusal, calls, account } = await startScripted(renew)
      const renewed = await refusal(await headers())
      expect(await codeOf(refusal(renewed))).toBe('consent_required')
      expect(account().status).toBe('EXPIRED')
      expect(calls).toHaveLength(1)
    })

    it('renews again when the renewed credential has worked for a while', async () => {
      const { clock, headers, refusal, calls } = await startScripted(renew)
      const renewed = await refusal(await headers())
      clock.advance(60_000)
      expect((await refusal(renewed)).headers).toEqual(bearer('at-0++'))
      expect(calls).toHaveLength(2)
    })

    it('keeps the grant when the authorization server fails for the moment', async () => {
      const { headers, refusal, account } = await startScripted(unavailable)
      expect(await codeOf(refusal(await headers()))).toBe('upstream_unavailable')
      expect(account().status).toBe('ACTIVE')
    })

    it('says that the configuration is wrong when there is no authorization to renew', async () => {
      const { credentials, account } = await startScripted(renew)
      const connection = connectionTo('https://docs.example/mcp', { type: 'none' })
      expect(await codeOf(credentials.afterRefusal(connection, account(), { generation: 1, headers: {} }))).toBe(
        'upstream_invalid',
      )
      expect(account().status).toBe('ACTIVE')
    })
  })

  describe('settleInDoubt', () => {
    it('T65: asks once more for a grant whose refresh has no outcome, and for no other', async () => {
      const { credentials, connection, accounts, account, calls, clock, headers } = await startScripted(renew)
      await credentials.settleInDoubt(registryOf(connection))
      expect(calls).toHaveLength(0)
      await accounts.refreshes.begin(account(), new Date(clock()))
      await credentials.settleInDoubt(registryOf(connection))
      expect(calls).toHaveLength(1)
      expect(await headers()).toEqual({ generation: 2, headers: bearer('at-0+') })
      await credentials.settleInDoubt(registryOf(connection))
      expect(calls).toHaveLength(1)
    })

    it('T65: leaves alone what whoever began it is still doing', async () => {
      const answer = Promise.withResolvers<OAuthCredential>()
      const { credentials, connection, accounts, account, calls, clock, headers, credential } = await startScripted(
        () => answer.promise,
      )
      clock.advance(2 * HOUR)
      const opened = headers()
      await vi.waitFor(() => expect(calls).toHaveLength(1))
      await accounts.refreshes.begin(account(), new Date(clock()))
      await credentials.settleInDoubt(registryOf(connection))
      expect(calls).toHaveLength(1)
      answer.resolve({ ...credential, accessToken: 'at-1', expiresAt: clock() + HOUR })
      expect((await opened).headers).toEqual(bearer('at-1'))
    })

    it('does nothing for a connection that the configuration no longer names', async () => {
      const { credentials, accounts, account, calls, clock } = await startScripted(renew)
      await accounts.refreshes.begin(account(), new Date(clock()))
      await credentials.settleInDoubt({ connection: () => undefined })
      expect(calls).toHaveLength(0)
    })
  })

  it('T66: keeps a grant whose refresh got no answer in doubt, and asks again after one second', async () => {
    const { connection, accounts, accountId, credential, clock } = await startScripted(renew, { lifeMs: 0 })
    let calls = 0
    const oauth = {
      refresh: async (_connection: Connection, _credential: OAuthCredential, watch?: RefreshWatch) => {
        await watch?.beforeRequest()
        calls += 1
        if (calls === 1) throw new GatewayError('upstream_unavailable', 'no answer')
        return { ...credential, accessToken: 'at-1', expiresAt: clock() + HOUR }
      },
    }
    const credentials = createCredentials({ accounts, ...stored(accounts), oauth, clock })
    const headers = () => credentials.headersFor(connection, accounts.account(accountId))
    expect(await codeOf(headers())).toBe('upstream_unavailable')
    expect(await accounts.refreshes.inDoubt(1)).toHaveLength(1)
    clock.advance(999)
    expect(await codeOf(headers())).toBe('upstream_unavailable')
    expect(calls).toBe(1)
    clock.advance(1)
    expect((await headers()).headers).toEqual(bearer('at-1'))
    expect(await accounts.refreshes.inDoubt(1)).toEqual([])
  })

  it('comes to an end when two processes take turns at renewing what the upstream refuses', async () => {
    const { connection, accounts, accountId, clock, oauth, calls } = await startScripted(renew)
    const create = () => createCredentials({ accounts, ...stored(accounts), oauth, clock })
    const [one, other] = [create(), create()]
    const account = () => accounts.account(accountId)
    let opened = await one.headersFor(connection, account())
    const codes: (string | undefined)[] = []
    for (let turn = 0; turn < 6 && codes.at(-1) === undefined; turn += 1) {
      const next = turn % 2 === 0 ? one : other
      codes.push(await codeOf(next.afterRefusal(connection, account(), opened).then((renewed) => (opened = renewed))))
    }
    expect(codes.at(-1)).toBe('consent_required')
    expect(account().status).toBe('EXPIRED')
    expect(calls.length).toBeLessThanOrEqual(2)
  })
})
