import { LRUCache } from 'lru-cache'
import type { AuditEntry } from '../domain.ts'
import { currentRequest, inRequest, type RequestScope } from '../requestScope.ts'
import type { Audit } from '../services.ts'

/** What was refused, as far as it is told apart: bounded, whatever callers make up. */
export interface Denial {
  /** The pattern of the route. */
  readonly route: string
  readonly reason: 'unauthorized' | 'forbidden' | 'unknown' | 'rate_limited' | 'token_in_query'
}

export interface DenialsOptions {
  readonly audit: Audit
  /** So many callers are told apart at the same time. Default 200. */
  readonly maxCallers?: number
}

interface Tally {
  readonly denial: Denial
  readonly scope: RequestScope | undefined
  /** Besides the first, which was written at once. */
  more: number
}

/**
 * Refusals in the audit log: the first of a caller at once, all that follow as one number each time `flush` is called.
 * However many there are, they neither fill the disk nor make the refusal itself slow.
 */
export function createDenials({ audit, maxCallers = 200 }: DenialsOptions) {
  const tallies = new LRUCache<string, Tally>({ max: maxCallers })
  let uncounted = 0

  function note(denial: Denial): void {
    const scope = currentRequest()
    const key = `${denial.route} ${denial.reason} ${scope?.address ?? ''}`
    const known = tallies.get(key)
    if (known !== undefined) known.more += 1
    else if (tallies.size >= maxCallers) uncounted += 1
    else {
      tallies.set(key, { denial, scope, more: 0 })
      void write(denial, scope, 1)
    }
  }

  /** A refusal holds no secret, so it does not wait for the log, nor become another answer if that fails. */
  async function write(denial: Denial, scope: RequestScope | undefined, count: number): Promise<void> {
    const { route, reason } = denial
    const entry: AuditEntry = { action: 'request.denied', outcome: 'refused', details: { route, reason, count } }
    await recordAs(scope, entry).catch(() => {})
  }

  async function recordAs(scope: RequestScope | undefined, entry: AuditEntry): Promise<void> {
    // With the caller, but not with the entries of the request, which may be over.
    if (scope === undefined) await audit.record(entry)
    else await inRequest({ ...scope, entries: undefined }, () => audit.record(entry))
  }

  return {
    note,
    /** Writes what was counted since. Call it every minute or so. */
    async flush(): Promise<void> {
      const counted = [...tallies.values()]
      tallies.clear()
      for (const { denial, scope, more } of counted) if (more > 0) await write(denial, scope, more)
      if (uncounted > 0) await write({ route: 'various', reason: 'unauthorized' }, undefined, uncounted)
      uncounted = 0
    },
  }
}

export type Denials = ReturnType<typeof createDenials>
