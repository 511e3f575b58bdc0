import type { ParsedOptions } from '../config/parseOptions.ts'
import type { Store } from '../store/store.ts'

const AUDIT_ROWS = 1000
/** So that a page can say of a link that it has expired. */
const KEEP_EXPIRED_MS = 24 * 60 * 60 * 1000
/** Longer than any replica can be behind. */
const KEEP_CHANGES_MS = 60 * 60 * 1000
/** For streams that resume, and for replays; with the log of what was delivered. */
const KEEP_EVENTS_MS = 30 * 24 * 60 * 60 * 1000

/** Forgets what nobody will ask for any more. */
export async function forget(
  store: Store,
  now: number,
  { auditRetentionMs }: Pick<ParsedOptions, 'auditRetentionMs'>,
): Promise<void> {
  await store.forgetExpired(new Date(now - KEEP_EXPIRED_MS))
  if (auditRetentionMs !== undefined) await forgetAudit(store, new Date(now - auditRetentionMs))
  await store.changes.forget(new Date(now - KEEP_CHANGES_MS))
  await store.webhooks.forgetDeliveries(new Date(now - KEEP_EVENTS_MS))
  await store.events.forget(new Date(now - KEEP_EVENTS_MS))
}

/** In small steps, so that nobody waits for long. */
async function forgetAudit({ audit }: Pick<Store, 'audit'>, before: Date): Promise<void> {
  while ((await audit.forget(before, AUDIT_ROWS)) === AUDIT_ROWS);
}
