import { createHash, randomBytes } from 'node:crypto'
import type { ConnectedAccount, Credential } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { Secret } from '../secret.ts'
import type { Accounts, AwaitingVerification, Clock, Vault } from '../services.ts'
import type { AuthLink, PendingVerification, Store } from '../store/store.ts'
import type { Commit, RecordEvent } from './commit.ts'
import { openLinkState } from './linkTokens.ts'
import { changedMeanwhile, type MakeActive } from './makeActive.ts'
import { keepForRevocation } from './pendingRevocations.ts'
import { REVOCATION_LEASE_MS } from './upstreamRevocations.ts'

/** How often the gateway looks for credentials that nobody verified, in milliseconds. */
export const DISCARD_UNVERIFIED_EVERY_MS = 30_000
/** Together with one round of looking, and a slow one, less than the ten minutes that security T20 allows. */
const VERIFICATION_LIFE_MS = 9 * 60_000
const MOST_AT_ONCE = 100

export interface VerificationOptions {
  readonly store: Store
  readonly vault: Vault
  readonly commit: Commit
  readonly clock: Clock
  /** Where the app verifies its user, for links that were made without saying. Default: such links need no verifying. */
  readonly verifyUrl?: string | undefined
  /** Tells authorization servers what is left to tell them of this user (RFC 7009). Default: somebody else will. */
  readonly finishRevocations?: ((userIdentifier: string) => Promise<unknown>) | undefined
}

/** Credentials that wait until the app says that the person who consented is its user (security T20). */
export interface Verification extends Pick<Accounts, 'verifyUser' | 'discardUnverified'> {
  appliesTo(link: AuthLink): boolean
  /** Within the transaction that uses the link up. */
  begin(store: Store, record: RecordEvent, consent: Consent): Promise<AwaitingVerification>
  /** The account as it is once what has expired is gone. */
  settle(account: ConnectedAccount): Promise<void>
}

interface Outcome {
  readonly owner: string
  readonly verified: ConnectedAccount | undefined
}

interface Consent {
  readonly link: AuthLink
  readonly account: ConnectedAccount
  readonly credential: Credential
}

export function createVerification(options: VerificationOptions, makeActive: MakeActive): Verification {
  const { store, vault, commit, clock, finishRevocations = async () => {} } = options
  const now = () => new Date(clock())

  return {
    appliesTo: (link) => (link.verifyUrl ?? options.verifyUrl) !== undefined,

    async begin(inner, record, { link, account, credential }) {
      const authRequestId = randomBytes(32).toString('base64url')
      const pending = {
        requestHash: hashOf(authRequestId),
        accountId: account.id,
        userIdentifier: account.userIdentifier,
        clientId: link.clientId,
        previousStatus: await previousStatus(inner, account),
        expiresAt: new Date(clock() + VERIFICATION_LIFE_MS),
      }
      const sealedCredential = vault.seal(JSON.stringify(credential), contextOf(pending))
      await inner.verifications.insert({ ...pending, sealedCredential })
      // What works goes on working while its user is asked for more.
      if (account.status !== 'ACTIVE') await changeStatus(inner, record, account, 'PENDING_VERIFICATION', now())
      const verifyAt = new URL(link.verifyUrl ?? options.verifyUrl ?? '')
      verifyAt.searchParams.set('auth_request_id', authRequestId)
      const state = openLinkState(vault, link)
      if (state !== undefined) verifyAt.searchParams.set('state', state)
      return { verifyAt: new Secret(verifyAt.href) }
    },

    async verifyUser({ authRequestId, userIdentifier, clientId }) {
      const requestHash = hashOf(authRequestId)
      const outcome = await commit(async (inner, { record }): Promise<Outcome | undefined> => {
        const pending = await lock(inner, requestHash)
        if (pending === undefined || !mayVerify(pending, clientId)) return undefined
        const { userIdentifier: owner } = pending
        const account = await inner.accounts.get(pending.accountId)
        const isInTime = pending.expiresAt.getTime() > clock() && account !== undefined && isWaiting(account, pending)
        if (!isInTime || owner !== userIdentifier) {
          await discard(inner, record, pending)
          return { owner, verified: undefined }
        }
        await inner.verifications.take(requestHash, owner)
        const credential = openUnverified(vault, pending)
        await makeActive(inner, record, account, credential)
        await discardOthers(inner, account, credential)
        return { owner, verified: account }
      })
      if (outcome !== undefined) await finish(outcome.owner)
      if (outcome?.verified !== undefined) return outcome.verified
      throw new GatewayError(
        'forbidden',
        'This authorization cannot be verified. Have the user connect the account again.',
      )
    },

    async discardUnverified() {
      for (;;) {
        const expired = await store.verifications.expired(now(), MOST_AT_ONCE)
        for (const pending of expired) await discardExpired(pending)
        // Only when they are gone: a server that does not answer must not keep the next ones alive.
        for (const owner of new Set(expired.map(({ userIdentifier }) => userIdentifier))) await finish(owner)
        if (expired.length < MOST_AT_ONCE) return
      }
    },

    async settle({ id, userIdentifier }) {
      const waiting = await store.verifications.ofAccount(id, userIdentifier)
      const expired = waiting.filter((pending) => pending.expiresAt.getTime() <= clock())
      for (const pending of expired) await discardExpired(pending)
      if (expired.length > 0) await finish(userIdentifier)
    },
  }

  async function discardExpired({ requestHash }: PendingVerification): Promise<void> {
    await commit(async (inner, { record }) => {
      const pending = await lock(inner, requestHash)
      if (pending && pending.expiresAt.getTime() <= clock()) await discard(inner, record, pending)
    })
  }

  /** What is decided is decided, also where the servers cannot be told now: the next sweep does. */
  async function finish(userIdentifier: string): Promise<void> {
    await finishRevocations(userIdentifier).catch(() => undefined)
  }

  /** Removes the credential; the account is what it was, unless another consent waits. */
  async function discard(inner: Store, record: RecordEvent, pending: PendingVerification): Promise<void> {
    const { requestHash, accountId, userIdentifier } = pending
    if (!(await inner.verifications.take(requestHash, userIdentifier))) return
    const account = await inner.accounts.get(accountId)
    if (account === undefined) return
    const others = await inner.verifications.ofAccount(accountId, userIdentifier)
    if (account.status === 'PENDING_VERIFICATION' && others.length === 0) {
      await changeStatus(inner, record, account, pending.previousStatus, now())
    }
    const credential = readable(pending)
    if (credential !== undefined) await giveBack(inner, account, credential)
  }

  /** One consent was verified: no other may be any more. What belongs to the same person upstream is not given back. */
  async function discardOthers(inner: Store, account: ConnectedAccount, credential: Credential): Promise<void> {
    for (const other of await inner.verifications.ofAccount(account.id, account.userIdentifier)) {
      await inner.verifications.take(other.requestHash, account.userIdentifier)
      const superseded = readable(other)
      if (superseded && isSomebodyElses(superseded, credential)) await giveBack(inner, account, superseded)
    }
  }

  /** What cannot be opened any more hinders nobody from removing it, and must not keep alive what expired after it. */
  function readable(pending: PendingVerification): Credential | undefined {
    try {
      return openUnverified(vault, pending)
    } catch {
      return undefined
    }
  }

  /** Its server is told, even if this process ends before that. Nobody here can use it any more, whatever it says. */
  async function giveBack(inner: Store, account: ConnectedAccount, credential: Credential): Promise<void> {
    await keepForRevocation(inner, vault, account, credential, new Date(clock() + REVOCATION_LEASE_MS))
  }
}

/** Reads it once more after the user is locked: then nobody else takes it. */
async function lock(inner: Store, requestHash: string): Promise<PendingVerification | undefined> {
  const pending = await inner.verifications.find(requestHash)
  if (pending === undefined) return undefined
  await inner.lockUser(pending.userIdentifier)
  return await inner.verifications.find(requestHash)
}

/** Throws GatewayError `internal` if the bytes are not what was sealed for exactly this row. */
export function openUnverified(vault: Vault, pending: PendingVerification): Credential {
  return JSON.parse(vault.open(pending.sealedCredential, contextOf(pending)))
}

async function previousStatus(store: Store, account: ConnectedAccount) {
  if (account.status !== 'PENDING_VERIFICATION') return account.status
  const [first] = await store.verifications.ofAccount(account.id, account.userIdentifier)
  return first?.previousStatus ?? 'PENDING_AUTH'
}

async function changeStatus(
  store: Store,
  record: RecordEvent,
  account: ConnectedAccount,
  status: ConnectedAccount['status'],
  at: Date,
): Promise<void> {
  if (account.status === status) return
  const { id, userIdentifier, generation } = account
  if (!(await store.accounts.setStatus({ id, userIdentifier, generation }, status, at))) {
    throw changedMeanwhile()
  }
  await record(account, status, at)
}

/** An account that was ACTIVE when its user consented to more has stayed so. */
function isWaiting({ status }: ConnectedAccount, { previousStatus: before }: PendingVerification): boolean {
  return status === 'PENDING_VERIFICATION' || (status === 'ACTIVE' && before === 'ACTIVE')
}

/** A link that the MCP endpoint gave out belongs to no client in particular. */
function mayVerify({ clientId }: PendingVerification, asking: string): boolean {
  return clientId === undefined || clientId === asking
}

/** Some servers give back all grants of a person at once, so only what is known to be another person's is given back. */
function isSomebodyElses(superseded: Credential, kept: Credential): boolean {
  if (superseded.type !== 'oauth2' || kept.type !== 'oauth2') return false
  return superseded.subject !== undefined && kept.subject !== undefined && superseded.subject !== kept.subject
}

function contextOf({
  requestHash,
  accountId,
  userIdentifier,
}: Pick<PendingVerification, 'requestHash' | 'accountId' | 'userIdentifier'>): readonly string[] {
  return ['pending_verifications', requestHash, accountId, userIdentifier, 'sealed_credential']
}

function hashOf(authRequestId: string): string {
  return createHash('sha256').update(authRequestId).digest('hex')
}
