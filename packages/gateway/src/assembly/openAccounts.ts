import { createAccounts } from '../accounts/accounts.ts'
import { createCommit } from '../accounts/commit.ts'
import { createInstances } from '../accounts/instances.ts'
import { createLastUsed } from '../accounts/lastUsed.ts'
import { DISCARD_UNVERIFIED_EVERY_MS } from '../accounts/verification.ts'
import { auditedAccounts, auditedInstances } from '../audit/audited.ts'
import type { Closers } from '../closers.ts'
import { createConnections } from '../config/connections.ts'
import type { ParsedOptions } from '../config/parseOptions.ts'
import { createRegistry } from '../config/registry.ts'
import { createConfigs } from '../control/configs.ts'
import { createChanges } from '../events/changes.ts'
import { createEventLog } from '../events/eventLog.ts'
import { startFeed } from '../events/feed.ts'
import { measuredPublish } from '../telemetry/measured.ts'
import { createToolPins } from '../trust/toolPins.ts'
import { every } from './every.ts'
import type { Foundation } from './openFoundation.ts'

export type AccountRooms = Awaited<ReturnType<typeof openAccounts>>

/** What users have: connections and configs, instances and accounts, and every change of them, told to all processes. */
export async function openAccounts(
  options: ParsedOptions,
  { store, vault, keys, telemetry, audit }: Foundation,
  finishRevocations: (userIdentifier: string) => Promise<unknown>,
  closers: Closers,
) {
  const { publicUrl, clock, log } = options
  const registry = await createRegistry({ ...options, store, vault })
  const events = createEventLog(store, { log })
  const changes = createChanges({ log })
  if (telemetry !== undefined) events.subscribe(({ occurredAt }) => telemetry.eventTold(clock() - occurredAt.getTime()))
  closers.add(changes.subscribe((change) => registry.onChange(change)))
  const feed = await startFeed({ store, publish: events.publish, announce: changes.announce, log })
  closers.add(async () => await feed.close())
  const commit = createCommit({
    store,
    publish: telemetry === undefined ? feed.publish : measuredPublish(feed.publish, { registry, telemetry }),
    announce: feed.announce,
    audit,
  })
  const verifyUrl = options.userVerification?.url
  const accounts = auditedAccounts(
    createAccounts({ store, vault, registry, commit, publicUrl, clock, verifyUrl, finishRevocations }),
    audit,
  )
  closers.add(every(DISCARD_UNVERIFIED_EVERY_MS, async () => await accounts.discardUnverified()))
  const instances = auditedInstances(createInstances({ store, commit, keys, publicUrl, clock }), audit)
  const configs = createConfigs({ store, commit, publicUrl, clock })
  const connections = createConnections({ store, vault, registry, commit, clock })
  const lastUsed = createLastUsed({ store, clock })
  closers.add(lastUsed.close)
  const toolPins = createToolPins({ store, commit, changes, clock })
  closers.add(() => toolPins.close())
  return { registry, events, changes, commit, accounts, instances, configs, connections, lastUsed, toolPins }
}
