import type { WireDiagnosedConnection, WireDiagnosedTool, WireDiagnostics } from '@latchkey/core/wire'
import type { Credential, McpConfig } from '../domain.ts'
import type {
  AccountOfConnection,
  Accounts,
  InspectedConnection,
  InspectedTool,
  Registry,
  ToolInspector,
} from '../services.ts'
import type { Store, StoredAccount } from '../store/store.ts'
import type { ManagedConfigs } from './configs.ts'

export interface UserDiagnosticsOptions {
  readonly store: Pick<Store, 'accounts' | 'instances' | 'refreshes' | 'events'>
  readonly registry: Registry
  readonly configs: ManagedConfigs
  readonly accounts: Pick<Accounts, 'readCredential'>
  readonly tools: ToolInspector
}

type WireUser = NonNullable<WireDiagnostics['user']>

const MAX_INSTANCES = 100
const EVENTS_AT_ONCE = 500

/** What there is to say of one user. It makes no account and no instance. */
export function createUserDiagnostics(options: UserDiagnosticsOptions) {
  const { store, registry, configs, accounts, tools } = options

  return async (userIdentifier: string, configName: string | undefined): Promise<WireUser> => {
    const instances = await store.instances.list({ userIdentifier, limit: MAX_INSTANCES })
    const wanted = configName === undefined ? instances.map(({ configId }) => configs.get(configId)) : []
    if (configName !== undefined) wanted.push(configs.requireByName(configName))
    const found = (await Promise.all(wanted)).filter((config) => config !== undefined)
    const last = await lastEventAt(userIdentifier)
    const described: WireUser['configs'] = []
    // One after another: two configs often have the same upstreams.
    for (const config of found) {
      const hasInstance = instances.some(({ configId }) => configId === config.id)
      const connections = await connectionsOf(config, userIdentifier)
      described.push({ config_name: config.name, has_instance: hasInstance, connections })
    }
    return { user_identifier: userIdentifier, configs: described, ...(last !== undefined && { last_event_at: last }) }
  }

  async function connectionsOf(config: McpConfig, userIdentifier: string): Promise<WireDiagnosedConnection[]> {
    const ids = config.mappings.map(({ connectionId }) => connectionId)
    const stored = await store.accounts.listForUser(userIdentifier, ids)
    const known = ids.flatMap((id) => registry.connection(id) ?? [])
    const entries: AccountOfConnection[] = known.flatMap((connection) => {
      const account = stored.find(({ connectionId }) => connectionId === connection.id)
      return account === undefined ? [] : [{ connection, account }]
    })
    const inspected = new Map((await tools.inspect(config, entries)).map((each) => [each.connection.id, each]))
    return await Promise.all(known.map(async ({ id, name }) => await describe(name, inspected.get(id))))
  }

  async function describe(
    connectionName: string,
    inspected: InspectedConnection | undefined,
  ): Promise<WireDiagnosedConnection> {
    if (inspected === undefined) {
      return { connection_name: connectionName, connected_account_status: 'PENDING_AUTH', tools: [] }
    }
    // To list the tools may have changed it: a grant that is gone makes it EXPIRED.
    const account = await store.accounts.get(inspected.account.id)
    const refresh = account && (await refreshOf(account.id))
    const credential = account && (await credentialOf(account))
    return {
      connection_name: connectionName,
      connected_account_status: account?.status ?? 'PENDING_AUTH',
      ...(account !== undefined && { status_changed_at: account.updatedAt.toISOString() }),
      ...(credential !== undefined && { credential }),
      ...(refresh !== undefined && { refresh }),
      ...(inspected.unavailable !== undefined && { unavailable: { ...inspected.unavailable } }),
      tools: inspected.tools.map(toWireTool),
    }
  }

  async function credentialOf({ id, hasCredential }: StoredAccount) {
    if (!hasCredential) return undefined
    try {
      const read = await accounts.readCredential(id)
      return read && describeCredential(read.credential)
    } catch {
      // Nothing that it was sealed with opens it: told by its kind, for the user has to connect again.
      return { type: 'unreadable', is_renewable: false }
    }
  }

  async function refreshOf(accountId: string): Promise<WireDiagnosedConnection['refresh']> {
    const { failures, failedAt } = await store.refreshes.get(accountId)
    return failures === 0 || failedAt === undefined ? undefined : { failures, failed_at: failedAt.toISOString() }
  }

  async function lastEventAt(userIdentifier: string): Promise<string | undefined> {
    let last: { readonly sequence: number; readonly occurredAt: Date } | undefined
    for (;;) {
      const events = await store.events.after(last?.sequence ?? 0, userIdentifier, EVENTS_AT_ONCE)
      last = events.at(-1) ?? last
      if (events.length < EVENTS_AT_ONCE) return last?.occurredAt.toISOString()
    }
  }
}

function describeCredential(credential: Credential): WireDiagnosedConnection['credential'] {
  if (credential.type === 'api_key') return { type: credential.type, is_renewable: false }
  if (credential.type === 'fields') return { type: credential.kind, is_renewable: false }
  const { type, expiresAt, refreshToken } = credential
  return {
    type,
    is_renewable: refreshToken !== undefined,
    ...(expiresAt !== undefined && { expires_at: new Date(expiresAt).toISOString() }),
  }
}

function toWireTool({ upstreamName, name, renamedFor, suggestion, refusedFor }: InspectedTool): WireDiagnosedTool {
  if (refusedFor !== undefined) return { upstream_name: upstreamName, problem: 'refused', reason: refusedFor }
  if (name === undefined) {
    return { upstream_name: upstreamName, problem: 'missing', ...(suggestion !== undefined && { suggestion }) }
  }
  return {
    upstream_name: upstreamName,
    name,
    ...(renamedFor !== undefined && { problem: 'renamed', reason: renamedFor }),
  }
}
