import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { createUserVerification, LatchkeyError } from '../src/index.ts'
import { PrivateMagicLink } from '../src/backends/privateMagicLink.ts'

const CALLBACK = 'https://app.example/latchkey/callback'
const START = 'https://app.example/latchkey/start?connection=mail'
const LINK = 'https://gateway.example/connect/lklink_canary'

/** An app whose session is the header `x-user`, and a control plane that answers what the test says. */
function setUp({ callbackUrl = CALLBACK, connections, answer = async () => {} }: SetUp = {}) {
  const links: unknown[] = []
  const verified: string[][] = []
  const errors: unknown[] = []
  const verification = createUserVerification({
    latchkey: {
      async createMagicLink(...given) {
        links.push(given)
        await answer()
        return new PrivateMagicLink(LINK, undefined)
      },
      async verifyUser(userIdentifier, authRequestId) {
        verified.push([userIdentifier, authRequestId])
        await answer()
      },
    },
    callbackUrl,
    identify: (request) => request.headers.get('x-user'),
    connections,
    onError: (error) => errors.push(error),
  })
  return { verification, links, verified, errors }
}

interface SetUp {
  callbackUrl?: string
  connections?: readonly string[]
  answer?: () => Promise<void>
}

const as = (user: string, url: string, headers: Record<string, string> = {}) =>
  new Request(url, { headers: { 'x-user': user, ...headers } })

/** Starts, and gives the cookie that the browser keeps and the state that the link was made with. */
async function started(given: ReturnType<typeof setUp>, user = 'ann') {
  const response = await given.verification.start(as(user, START))
  const setCookie = response.headers.get('set-cookie') ?? ''
  const state = /=([\w-]+)\./.exec(setCookie)?.[1] ?? ''
  return { response, setCookie, cookie: setCookie.split(';')[0] ?? '', state }
}

const returned = (state: string, query = '') => `${CALLBACK}?auth_request_id=req_1&state=${state}${query}`

describe('createUserVerification', () => {
  describe('start', () => {
    it('sends the signed-in user to a fresh link, with a state that only this browser has', async () => {
      const given = setUp()
      const { response, setCookie, state } = await started(given)
      expect([response.status, response.headers.get('location')]).toEqual([303, LINK])
      expect(setCookie).toMatch(
        /^__Host-latchkey_state_[0-9a-f]{16}=[\w-]{43}\.mail; Max-Age=2700; Path=\/; HttpOnly; SameSite=Lax; Secure$/,
      )
      expect(given.links).toEqual([['ann', 'mail', { state, userVerifyUrl: CALLBACK }]])
      expect(response.headers.get('referrer-policy')).toBe('no-referrer')
      expect((await started(given)).state).not.toBe(state)
    })

    it('sets a plain cookie where the app is on loopback', async () => {
      const given = setUp({ callbackUrl: 'http://127.0.0.1:3000/cb' })
      expect((await started(given)).setCookie).toMatch(
        /^latchkey_state_[^;]+; Max-Age=2700; Path=\/; HttpOnly; SameSite=Lax$/,
      )
    })

    it.each(['', '?connection=', '?connection=a%20b', '?connection=%3Cscript%3E', `?connection=${'x'.repeat(101)}`])(
      'asks nothing of anybody when it is opened with "%s"',
      async (query) => {
        const given = setUp()
        const response = await given.verification.start(as('ann', `https://app.example/start${query}`))
        expect([response.status, given.links]).toEqual([404, []])
      },
    )

    it('starts only the connections that the app names, where it names some', async () => {
      const given = setUp({ connections: ['calendar'] })
      expect((await given.verification.start(as('ann', START))).status).toBe(404)
    })

    it('makes no link when nobody is signed in, or for HEAD and POST', async () => {
      const given = setUp()
      expect((await given.verification.start(new Request(START))).status).toBe(401)
      for (const method of ['HEAD', 'POST']) {
        expect(
          (await given.verification.start(new Request(START, { method, headers: { 'x-user': 'ann' } }))).status,
        ).toBe(405)
      }
      expect(given.links).toEqual([])
    })

    it('says what to do and tells the app when there is no link', async () => {
      const failure = new LatchkeyError('unavailable', 'canary reason')
      const given = setUp({ answer: () => Promise.reject(failure) })
      const { response } = await started(given)
      expect(response.status).toBe(502)
      expect(await response.text()).not.toContain('canary')
      expect(given.errors).toEqual([failure])
    })
  })

  describe('callback', () => {
    it('verifies with the identity of the session, and answers a page that closes itself', async () => {
      const given = setUp()
      const { cookie, state } = await started(given)
      const response = await given.verification.callback(as('ann', returned(state), { cookie }))
      expect(response.status).toBe(200)
      expect(given.verified).toEqual([['ann', 'req_1']])
      const html = await response.text()
      expect(html).toContain('Your account is connected')
      expect(html).toContain('window.opener.postMessage(message, "https://app.example")')
      expect(html).toContain('{"type":"latchkey.connected","connection":"mail"}')
      expect(html).not.toContain(state)
      expect(html).not.toContain('req_1')
      expect(response.headers.get('set-cookie')).toMatch(
        /^__Host-latchkey_state_[0-9a-f]{16}=; Max-Age=0; Path=\/;.*Secure$/,
      )
    })

    it('T35: answers pages that nobody can frame, and that load nothing', async () => {
      const given = setUp()
      const { cookie, state } = await started(given)
      for (const request of [as('ann', returned(state), { cookie }), new Request(CALLBACK)]) {
        const { headers } = await given.verification.callback(request)
        expect(headers.get('content-security-policy')).toMatch(
          /^default-src 'none'; style-src 'nonce-[\w+/=]+'; script-src 'nonce-[\w+/=]+'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/,
        )
        expect([headers.get('referrer-policy'), headers.get('cache-control')]).toEqual(['no-referrer', 'no-store'])
      }
    })

    it("T20: tells the control plane the session's user, whoever the link was made for, and says no when it says no", async () => {
      const rejected = new LatchkeyError('rejected', 'not the user')
      const answers = [Promise.resolve(), Promise.reject(rejected)]
      const given = setUp({ answer: async () => await answers.shift() })
      const { cookie, state } = await started(given, 'ann')
      const url = returned(state, '&identifier=ann&user=ann')
      const response = await given.verification.callback(as('ben', url, { cookie }))
      expect([response.status, given.verified, given.errors]).toEqual([403, [['ben', 'req_1']], [rejected]])
      expect(await response.text()).not.toContain('latchkey.connected')
    })

    it.each([
      ['no cookie', (state: string) => [returned(state), '']],
      [
        "another attempt's cookie",
        (state: string) => [returned(state), `__Host-latchkey_state_0000000000000000=${state}.mail`],
      ],
      ['another state', (_: string, cookie: string) => [returned('x'.repeat(43)), cookie]],
      ['no state', (_: string, cookie: string) => [`${CALLBACK}?auth_request_id=req_1`, cookie]],
      ['an empty state', (_: string, cookie: string) => [returned(''), cookie]],
      ['two states', (state: string, cookie: string) => [returned(state, `&state=${state}`), cookie]],
      ['two requests', (state: string, cookie: string) => [returned(state, '&auth_request_id=req_2'), cookie]],
      ['no request', (state: string, cookie: string) => [`${CALLBACK}?state=${state}`, cookie]],
      [
        'a cookie without the prefix',
        (state: string, cookie: string) => [returned(state), cookie.replace('__Host-', '')],
      ],
      ['a changed cookie', (state: string, cookie: string) => [returned(state), cookie.replace(state, 'x'.repeat(43))]],
    ] as const)(
      'T24: verifies nobody when it comes with %s, and has the consent destroyed',
      async (_case, requestOf) => {
        const given = setUp()
        const { cookie, state } = await started(given)
        const [url = '', sent = ''] = requestOf(state, cookie)
        const response = await given.verification.callback(as('ann', url, { cookie: sent }))
        expect(response.status).toBe(403)
        // Named is nobody that there could be.
        const isOne =
          new URL(url).searchParams.getAll('auth_request_id').length === 1 && !url.includes(`&state=${state}&state`)
        const named = given.verified.map(([user = '', request]) => [user.replace(/-.{36}$/, ''), request])
        expect(named).toEqual(isOne ? [['nobody', 'req_1']] : [])
      },
    )

    it('T24: verifies each of two tabs by its own cookie', async () => {
      const given = setUp()
      const [one, other] = [await started(given), await started(given)]
      const cookie = `${one.cookie}; ${other.cookie}; session=1`
      for (const { state } of [other, one]) {
        expect((await given.verification.callback(as('ann', returned(state), { cookie }))).status).toBe(200)
      }
    })

    it('asks nothing when nobody is signed in, and leaves the cookie for when somebody is', async () => {
      const given = setUp()
      const { cookie, state } = await started(given)
      const response = await given.verification.callback(new Request(returned(state), { headers: { cookie } }))
      expect([response.status, response.headers.get('set-cookie'), given.verified]).toEqual([401, null, []])
    })

    it('is not used up by HEAD', async () => {
      const given = setUp()
      const { cookie, state } = await started(given)
      const head = new Request(returned(state), { method: 'HEAD', headers: { cookie, 'x-user': 'ann' } })
      expect((await given.verification.callback(head)).status).toBe(405)
      expect(given.verified).toEqual([])
    })
  })

  it.each([
    'http://app.example/cb',
    'app.example',
    'https://u:p@app.example/cb',
    'https://app.example/cb#x',
    'javascript:0',
  ])('refuses the callback URL %s', (callbackUrl) => {
    expect(() => setUp({ callbackUrl })).toThrow(/callbackUrl/)
  })
})

describe('MagicLink', () => {
  it('does not show its URL when it is printed', () => {
    const link = new PrivateMagicLink(LINK, new Date(0))
    expect(inspect(link) + JSON.stringify(link)).not.toContain('canary')
  })
})
