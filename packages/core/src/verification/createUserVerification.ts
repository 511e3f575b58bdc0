import { randomUUID } from 'node:crypto'
import { checkUserIdentifier } from '../checkUserIdentifier.ts'
import { LatchkeyError } from '../errors.ts'
import { isSafeUrl } from '../http/safeUrl.ts'
import type { Latchkey } from '../latchkey.ts'
import { createStateCookies } from './stateCookie.ts'
import { type VerificationPage, verificationPage } from './verificationPage.ts'

export interface UserVerificationOptions {
  /** Reaches the control plane. */
  latchkey: Pick<Latchkey, 'createMagicLink' | 'verifyUser'>
  /** Where `callback` is reached from outside: https, or http on a loopback address. */
  callbackUrl: string
  /**
   * Who is signed in, by the app's own session: never by anything in the URL. The same identifier as for `userTools`;
   * undefined if nobody is.
   */
  identify: (request: Request) => string | undefined | null | Promise<string | undefined | null>
  /** The names of the connections that may be started. Default: whatever the control plane knows. */
  connections?: readonly string[] | undefined
  /** Hears why a link could not be made or a user not be verified, for the app's log. Default: nobody. */
  onError?: ((error: unknown) => void) | undefined
}

/** The two handlers that an app's server needs so that nobody connects an account for somebody else. */
export interface UserVerification {
  /**
   * `GET …/start?connection=mail`: sends the signed-in user to a fresh link, and remembers in a cookie that it was this
   * browser.
   */
  start(request: Request): Promise<Response>
  /**
   * `GET callbackUrl`, after the consent: compares the state with the cookie, tells the control plane who is signed in,
   * and answers a page that tells its opener and closes. Whoever waits for the user's tools wakes.
   */
  callback(request: Request): Promise<Response>
}

const CONNECTION_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/

/**
 * Makes the handlers for user verification, as plain functions from `Request` to `Response`. They answer every failure
 * with a page; they reject only if `identify` does, or gives what is no user identifier.
 *
 * @throws {TypeError} when `callbackUrl` is not a URL that a secret may be sent to.
 * @example
 * const verification = createUserVerification({
 *   latchkey,
 *   callbackUrl: 'https://app.example/latchkey/callback',
 *   identify: async (request) => (await readSession(request))?.userId,
 * })
 * app.get('/latchkey/start', (context) => verification.start(context.req.raw))
 * app.get('/latchkey/callback', (context) => verification.callback(context.req.raw))
 */
export function createUserVerification(options: UserVerificationOptions): UserVerification {
  const { latchkey, callbackUrl, identify, connections, onError = () => {} } = options
  const callback = checkedCallbackUrl(callbackUrl)
  const cookies = createStateCookies(callback.protocol === 'https:')

  async function start(request: Request): Promise<Response> {
    if (request.method !== 'GET') return verificationPage(ONLY_GET, { allow: 'GET' })
    const connection = new URL(request.url).searchParams.get('connection') ?? ''
    const isKnown = CONNECTION_NAME.test(connection) && (connections?.includes(connection) ?? true)
    if (!isKnown) return verificationPage(NO_SUCH_CONNECTION)
    const userIdentifier = await identify(request)
    if (!userIdentifier) return verificationPage(NOT_SIGNED_IN)
    checkUserIdentifier(userIdentifier)
    return await sendToLink(userIdentifier, connection)
  }

  async function sendToLink(userIdentifier: string, connection: string): Promise<Response> {
    const { state, setCookie } = cookies.issue(connection)
    try {
      const { url } = await latchkey.createMagicLink(userIdentifier, connection, { state, userVerifyUrl: callbackUrl })
      const headers = {
        location: url,
        'set-cookie': setCookie,
        'cache-control': 'no-store',
        'referrer-policy': 'no-referrer',
      }
      return new Response(null, { status: 303, headers })
    } catch (error) {
      onError(error)
      return verificationPage(isRejected(error) ? NO_SUCH_CONNECTION : UNAVAILABLE)
    }
  }

  async function answerCallback(request: Request): Promise<Response> {
    // A HEAD request must not use the request up.
    if (request.method !== 'GET') return verificationPage(ONLY_GET, { allow: 'GET' })
    const returned = readReturned(request)
    if (returned === undefined) return verificationPage(OTHER_BROWSER)
    const { authRequestId, state } = returned
    const connection = cookies.read(request, state)
    if (connection === undefined || !CONNECTION_NAME.test(connection)) return await refuse(authRequestId)
    const userIdentifier = await identify(request)
    if (!userIdentifier) return verificationPage(NOT_SIGNED_IN)
    checkUserIdentifier(userIdentifier)
    const page = await verify(userIdentifier, authRequestId, connection)
    return verificationPage(page, { 'set-cookie': cookies.clear(state) })
  }

  /**
   * Whoever began this sits elsewhere, and might get hold of the address that the browser has ended at: as nobody is
   * named, what was consented is destroyed at once.
   */
  async function refuse(authRequestId: string): Promise<Response> {
    await latchkey.verifyUser(`nobody-${randomUUID()}`, authRequestId).catch((error: unknown) => {
      if (!isRejected(error)) onError(error)
    })
    return verificationPage(OTHER_BROWSER)
  }

  async function verify(userIdentifier: string, authRequestId: string, connection: string): Promise<VerificationPage> {
    try {
      await latchkey.verifyUser(userIdentifier, authRequestId)
      return { ...CONNECTED, connected: { connection, origin: callback.origin } }
    } catch (error) {
      onError(error)
      return isRejected(error) ? NOT_VERIFIED : UNAVAILABLE
    }
  }

  return Object.freeze({ start, callback: answerCallback })
}

function checkedCallbackUrl(callbackUrl: string): URL {
  const url = URL.canParse(callbackUrl) ? new URL(callbackUrl) : undefined
  if (url !== undefined && isSafeUrl(url) && url.hash === '') return url
  throw new TypeError(
    '`callbackUrl` must be https (or http on a loopback address), without credentials and fragment: an authorization ends there',
  )
}

/** What came back, each parameter once. Without a state it is none that this app began. */
function readReturned(request: Request): { authRequestId: string; state: string } | undefined {
  const { searchParams } = new URL(request.url)
  const [state = '', ...otherStates] = searchParams.getAll('state')
  const [authRequestId, ...otherIds] = searchParams.getAll('auth_request_id')
  if (!authRequestId || otherStates.length > 0 || otherIds.length > 0) return undefined
  return { authRequestId, state }
}

/** The control plane has decided; trying again would not help. */
function isRejected(error: unknown): boolean {
  return error instanceof LatchkeyError && (error.code === 'rejected' || error.code === 'invalid_user_identifier')
}

const CONNECTED: VerificationPage = {
  status: 200,
  title: 'Your account is connected',
  text: 'You can close this window.',
}
const ONLY_GET: VerificationPage = { status: 405, title: 'This is a page', text: 'Open it in a browser.' }
const NO_SUCH_CONNECTION: VerificationPage = {
  status: 404,
  title: 'There is nothing to connect here',
  text: 'The link may be incomplete. Go back to the app and start again.',
}
const NOT_SIGNED_IN: VerificationPage = {
  status: 401,
  title: 'You are not signed in',
  text: 'Nothing was connected. Sign in to the app in this browser and start again.',
}
const OTHER_BROWSER: VerificationPage = {
  status: 403,
  title: 'This was not begun in this browser',
  text: 'For your safety nothing was connected. If you want to connect an account, start in the app itself, in this browser.',
}
const NOT_VERIFIED: VerificationPage = {
  status: 403,
  title: 'This account was not connected',
  text: 'The link was made for somebody else, or it took too long. Go back to the app and start again.',
}
const UNAVAILABLE: VerificationPage = {
  status: 502,
  title: 'That did not work for the moment',
  text: 'Go back to the app, and start again if the account is not connected.',
}
