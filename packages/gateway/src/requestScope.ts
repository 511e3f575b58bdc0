import { AsyncLocalStorage } from 'node:async_hooks'
import type { AuditEntry } from './domain.ts'

/** What is known of the request that a piece of work is done for, wherever in the gateway that is. */
export interface RequestScope {
  readonly requestId: string
  /** The caller's IP address, where it is known. */
  readonly address: string | undefined
  /** The names of its headers as they came over the wire; undefined where the HTTP server does not bring them. */
  readonly headerNames?: readonly string[] | undefined
  /** Who asks, as far as that is known by now: see `AuditRow.actor`. */
  actor: string
  /** What is written into the audit log before the answer leaves; undefined once that was done. */
  entries: AuditEntry[] | undefined
  /** The span that work for this request belongs to; telemetry's own. */
  span?: unknown
}

const scopes = new AsyncLocalStorage<RequestScope>()

/** Does a piece of work for a request. */
export function inRequest<T>(scope: RequestScope, work: () => T): T {
  return scopes.run(scope, work)
}

/** The request that this is done for; undefined for what the gateway does by itself. */
export function currentRequest(): RequestScope | undefined {
  return scopes.getStore()
}

/** Says who asks. */
export function actAs(actor: string): void {
  const scope = scopes.getStore()
  if (scope !== undefined) scope.actor = actor
}
