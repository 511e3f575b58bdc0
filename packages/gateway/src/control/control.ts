import { Hono } from 'hono'
import type { Commit } from '../accounts/commit.ts'
import type { ApiClient } from '../domain.ts'
import type {
  Accounts,
  Audit,
  Changes,
  Clock,
  EventLog,
  Instances,
  Keys,
  RateLimits,
  Registry,
  Revocations,
  ToolInspector,
  Vault,
  Webhooks,
} from '../services.ts'
import type { Store } from '../store/store.ts'
import { auditRequests } from './auditRequests.ts'
import { auditRoutes } from './auditRoutes.ts'
import { authenticate } from './authenticate.ts'
import { createAuthStates } from './authStates.ts'
import { configRoutes } from './configRoutes.ts'
import type { ManagedConfigs } from './configs.ts'
import type { ManagedConnections } from '../config/connections.ts'
import { connectionRoutes } from './connectionRoutes.ts'
import { connectedAccountRoutes } from './connectedAccountRoutes.ts'
import { deleteAccountRoute } from './deleteAccountRoute.ts'
import { type DiagnosedGateway, diagnosticsRoutes } from './diagnosticsRoutes.ts'
import { eventRoutes } from './eventRoutes.ts'
import { createFilters } from './filters.ts'
import { idempotency } from './idempotency.ts'
import { instanceRoutes } from './instanceRoutes.ts'
import { createManagedInstances } from './managedInstances.ts'
import { limitBody } from '../http/limitBody.ts'
import { methodGuard } from './methodGuard.ts'
import { apiPaths } from './openapi/apiPaths.ts'
import { openApiRoute } from './openapi/openApiRoute.ts'
import { createSessionTokens, type SessionTokensOptions } from './sessionTokens.ts'
import { createStatusEvents } from './statusEvents.ts'
import { tokenRoute } from './tokenRoute.ts'
import type { ManagedToolPins } from '../trust/toolPins.ts'
import { toolPinRoutes } from './toolPinRoutes.ts'
import { createToWire } from './toWire.ts'
import { userRoutes } from './userRoutes.ts'
import { verificationRoutes, type VerificationRoutesOptions } from './verificationRoutes.ts'
import { webhookRoutes } from './webhookRoutes.ts'

export interface ControlOptions extends Pick<VerificationRoutesOptions, 'publicUrl' | 'verifyUrlProblem'> {
  readonly clients: readonly ApiClient[]
  readonly keys: Keys
  readonly registry: Registry
  readonly configs: ManagedConfigs
  readonly instances: Instances
  readonly store: Store
  readonly vault: Vault
  readonly commit: Commit
  readonly clock: Clock
  readonly accounts: Accounts
  readonly revocations: Revocations
  readonly events: EventLog
  readonly changes: Changes
  readonly webhooks: Webhooks
  readonly audit: Audit
  readonly toolPins: ManagedToolPins
  readonly connections: ManagedConnections
  /** How often a client may ask. Default: as often as it likes. */
  readonly limits?: RateLimits | undefined
  /** What the MCP endpoint answers to `server/discover`. */
  readonly discoverResult: () => Record<string, unknown>
  /** Which of these names no tool can have on the config's endpoint. */
  readonly unknownTools: SessionTokensOptions['unknownTools']
  /** For whoever looks for a fault. */
  readonly diagnosed: DiagnosedGateway
  readonly tools: ToolInspector
  /** Ends the event streams when the gateway closes. Default: never. */
  readonly signal?: AbortSignal | undefined
  /** How often a silent event stream says that it lives, in milliseconds. Default: 15,000. */
  readonly keepAliveMs?: number | undefined
}

const MAX_BODY_BYTES = 256 * 1_024
const KEEP_ALIVE_MS = 15_000

/** The control plane over HTTP. Throws GatewayErrors for the app's `onError`. */
export function createControl(options: ControlOptions): Hono {
  const { keys, clients, signal = new AbortController().signal, keepAliveMs = KEEP_ALIVE_MS } = options
  const toWire = createToWire(options)
  const shared = {
    ...options,
    toWire,
    statusEvents: createStatusEvents(options),
    filters: createFilters(options),
    managedInstances: createManagedInstances(options),
    authStates: createAuthStates({ accounts: options.accounts, toWire }),
    sessionTokens: createSessionTokens(options),
  }
  const limited = limitBody(MAX_BODY_BYTES)
  const guard = methodGuard(apiPaths)
  const app = new Hono()
  for (const { path, isOpen } of apiPaths) if (isOpen) app.use(path, guard)
  app.post('/oauth/token', limited, tokenRoute({ keys, clients }))
  app.get('/keys', (context) => {
    context.header('Cache-Control', 'public, max-age=300')
    return context.json(keys.jwks())
  })
  app.get('/openapi.json', openApiRoute(apiPaths))
  app.use('/api/*', authenticate(options), auditRequests({ audit: options.audit, routes: apiPaths }), limited, guard)
  app.use('/api/*', idempotency({ ...options, keys: options.store.idempotency, routes: apiPaths }))
  app.route('/api/v1/mcp/configs', configRoutes(shared))
  app.route('/api/v1/mcp/instances', instanceRoutes(shared))
  app.route('/api/v1/webhooks', webhookRoutes(shared))
  app.route('/api/v1/connected_accounts', connectedAccountRoutes(shared))
  app.route('/api/v1/connected_accounts', verificationRoutes(shared))
  app.route('/', deleteAccountRoute(shared))
  app.route('/', userRoutes(shared))
  app.route('/api/v1/audit_log', auditRoutes(shared))
  app.route('/api/v1/connections', connectionRoutes(shared))
  app.route('/api/v1/connections', toolPinRoutes(shared))
  app.route('/api/v1/diagnostics', diagnosticsRoutes(shared))
  app.route('/api/v1/events', eventRoutes({ ...shared, signal, keepAliveMs }))
  return app
}
