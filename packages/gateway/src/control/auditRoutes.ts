import type { WireAuditEntry } from '@latchkey/core/wire'
import { Hono } from 'hono'
import type { AuditRecord } from '../domain.ts'
import type { Store } from '../store/store.ts'
import { auditQuerySchema } from './auditPaths.ts'
import { readPage } from './pageQuery.ts'
import { check } from './readBody.ts'

export interface AuditRoutesOptions {
  readonly store: { readonly audit: Pick<Store['audit'], 'list'> }
}

/** `GET /api/v1/audit_log`. */
export function auditRoutes({ store }: AuditRoutesOptions): Hono {
  const app = new Hono()
  app.get('/', async (context) => {
    const query = check(context.req.query(), auditQuerySchema)
    const { user_identifier: userIdentifier, action, actor } = query
    const filter = { userIdentifier, action, actor, since: toDate(query.since), until: toDate(query.until) }
    const { entries, ...tokens } = await readPage<AuditRecord>({
      of: 'audit_log',
      query,
      list: (place) => store.audit.list({ ...filter, ...place }),
      keyOf: ({ sequence }) => String(sequence),
    })
    return context.json({ entries: entries.map(toWire), ...tokens })
  })
  return app
}

function toDate(time: string | undefined): Date | undefined {
  return time === undefined ? undefined : new Date(time)
}

function toWire(record: AuditRecord): WireAuditEntry {
  return {
    sequence: record.sequence,
    occurred_at: record.occurredAt.toISOString(),
    actor: record.actor,
    action: record.action,
    outcome: record.outcome,
    user_identifier: record.userIdentifier,
    connection_id: record.connectionId,
    config_id: record.configId,
    instance_id: record.instanceId,
    connected_account_id: record.accountId,
    request_id: record.requestId,
    address: record.address,
    details: record.details,
  }
}
