import { createCredentials } from '../accounts/credentials.ts'
import { createRevocations } from '../accounts/revocations.ts'
import { createUpstreamRevocations } from '../accounts/upstreamRevocations.ts'
import type { Closers } from '../closers.ts'
import type { ParsedOptions } from '../config/parseOptions.ts'
import { createGuardedFetch } from '../http/guardedFetch.ts'
import { createOAuth } from '../oauth/oauth.ts'
import { measuredFetch, measuredOAuth } from '../telemetry/measured.ts'
import { every } from './every.ts'
import type { AccountRooms } from './openAccounts.ts'
import type { Foundation } from './openFoundation.ts'

/** A refresh whose process died is tried again while the authorization server still forgives it. */
const SETTLE_EVERY_MS = 1_000
/** How often the gateway looks for grants that a killed process was about to give back. */
const REVOKE_LEFT_EVERY_MS = 30_000

/** The way out of the gateway, and the protocol that credentials come and go by. */
export function openOAuth(options: ParsedOptions, { store, vault, telemetry }: Foundation, closers: Closers) {
  const { publicUrl, isLoopback, clock } = options
  const guardedFetch = createGuardedFetch({ allowLoopback: isLoopback })
  closers.add(async () => await guardedFetch.close())
  const fetch = telemetry === undefined ? guardedFetch : measuredFetch(guardedFetch, telemetry)
  const oauth = createOAuth({ fetch, registrations: store.registrations, vault, publicUrl, clock })
  return { fetch, oauth: telemetry === undefined ? oauth : measuredOAuth(oauth, telemetry) }
}

/** What is done with credentials: used, refreshed, and given back. */
export function openCredentials(
  { clock, log }: ParsedOptions,
  { store, vault }: Foundation,
  { registry, accounts, commit }: AccountRooms,
  { oauth }: ReturnType<typeof openOAuth>,
  closers: Closers,
) {
  const upstreamRevocations = createUpstreamRevocations({ store, vault, registry, oauth, clock, log })
  closers.add(every(REVOKE_LEFT_EVERY_MS, async () => await upstreamRevocations.sweep()))
  void upstreamRevocations.sweep().catch(() => {})
  const revocations = createRevocations({ store, commit, vault, registry, upstreamRevocations, clock })
  const { refreshes, locks } = store
  const credentials = createCredentials({ accounts, refreshes, locks, oauth, clock })
  closers.add(async () => await credentials.close())
  closers.add(every(SETTLE_EVERY_MS, async () => await credentials.settleInDoubt(registry)))
  void credentials.settleInDoubt(registry).catch(() => {})
  return { upstreamRevocations, revocations, credentials }
}
