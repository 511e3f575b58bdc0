import type { Context, MiddlewareHandler } from 'hono'
import type { AuditEntry } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { Audit } from '../services.ts'
import type { RouteDescription } from './openapi/describeRoute.ts'
import { pathPattern } from './openapi/pathPattern.ts'

export interface AuditRequestsOptions {
  readonly audit: Audit
  readonly routes: readonly RouteDescription[]
}

/**
 * Every request that changes something is in the audit log, by the name of its operation; what merely reads, or may be
 * repeated without harm, is not, but the secrets that it gave out are. New routes need do nothing for it.
 */
export function auditRequests({ audit, routes }: AuditRequestsOptions): MiddlewareHandler {
  const changing = routes
    .filter(({ method, isRepeatable }) => method !== 'get' && isRepeatable !== true)
    .toSorted((one, other) => parameters(one) - parameters(other))
    .map((route) => ({ route, pattern: pathPattern(route.path) }))
  return async (context, next) => {
    await next()
    const { method, path } = context.req
    const found = changing.find(({ route, pattern }) => route.method.toUpperCase() === method && pattern.test(path))
    if (found !== undefined) await audit.record(entryOf(found.route, context))
  }
}

function entryOf({ operationId }: RouteDescription, context: Context): AuditEntry {
  const { status, headers } = context.res
  const action = `api.${operationId}`
  const isReplayed = headers.get('Idempotency-Replayed') === 'true'
  const details = { status, ...(isReplayed && { replayed: true }), ...targetOf(context) }
  if (status < 400) return { action, details }
  const outcome = status < 500 ? 'refused' : 'failed'
  const error = context.error instanceof GatewayError ? context.error.code : undefined
  return { action, outcome, details: error === undefined ? details : { ...details, error } }
}

/** The last id in the path: what was changed. Ids are ours and not secret; what else somebody wrote there is not kept. */
function targetOf({ req: { path } }: Context): { target?: string } {
  const [target] = /[a-z]{2,4}_[0-9a-f]{32}/.exec(path) ?? []
  return target === undefined ? {} : { target }
}

/** What says more comes first: to `{id}`, a word would pass for an id. */
function parameters({ path }: RouteDescription): number {
  return path.match(/\{/g)?.length ?? 0
}
