import { createCommit } from '../../../src/accounts/commit.ts'
import { createAudit } from '../../../src/audit/audit.ts'
import { openSqliteStore } from '../../../src/store/sqlite/open.ts'
import type { Store } from '../../../src/store/store.ts'
import { createToolPins, type ManagedToolPins } from '../../../src/trust/toolPins.ts'
import { createVault } from '../../../src/vault/vault.ts'
import { aRing } from '../../keys/ring.ts'
/** A gateway's MCP endpoint with everything around it in memory, and the network real. */
import { randomBytes } from 'node:crypto'
import type {
  AccountEvent,
  AccountStatus,
  ChangeKind,
  ConnectedAccount,
  Connection,
  McpConfig,
  McpInstance,
} from '../../../src/domain.ts'
import { GatewayError } from '../../../src/errors.ts'
import { createChanges } from '../../../src/events/changes.ts'
import { createGuardedFetch } from '../../../src/http/guardedFetch.ts'
import { createKeys } from '../../../src/keys/keys.ts'
import { createMcpEndpoint, type McpEndpointDeps } from '../../../src/mcp/endpoint.ts'
import { Secret } from '../../../src/secret.ts'
import type { Accounts, Configs, Credentials, EventLog, Instances, OpenedCredential } from '../../../src/services.ts'
import { listen } from './listen.ts'

export interface WorldOptions {
  /** Connection name → URL of its MCP server. */
  readonly connections: Readonly<Record<string, string>>
  /** Connection name → allowed tools; all of them where it is missing. */
  readonly allow?: Readonly<Record<string, readonly string[]>>
  readonly toolNames?: McpConfig['toolNames']
  /** Connections that pin their tools. */
  readonly pin?: readonly string[]
  readonly listTimeoutMs?: number
  readonly fetch?: McpEndpointDeps['fetch']
}

export interface World extends AsyncDisposable {
  readonly origin: string
  readonly config: McpConfig
  /** Wakes at each change; the clock only moves when a test moves it. */
  readonly clock: { now: number }
  readonly logLines: Readonly<Record<string, unknown>>[]
  /** What happened to credentials, by account id. */
  readonly refreshes: string[]
  readonly links: string[]
  /** Set to make a refusal final: the grant is gone. */
  refreshable: boolean
  url(user: string): string
  staticUrl(configId?: string): string
  token(
    user: string,
    options?: { tools?: readonly string[]; configId?: string; accountIds?: string[] },
  ): Promise<string>
  account(user: string, connection: string): ConnectedAccount
  setStatus(user: string, connection: string, status: AccountStatus): void
  /** Raises the user's epoch and removes the instance, as a revocation of the user does. */
  revoke(user: string): void
  /** Raises the version, so that the old URL stops working. */
  rotateUrl(user: string): void
  deleteConfig(): void
  /** Tells that the config is not what it was. */
  changeConfig(): void
  post(url: string, body: unknown, headers?: Record<string, string>): Promise<Response>
  connection(name: string): Connection
  readonly toolPins: ManagedToolPins
  readonly store: Store
}

const KEY_RING = { currentId: 'k1', keys: new Map([['k1', new Uint8Array(randomBytes(32))]]) }

export async function createWorld(options: WorldOptions): Promise<World> {
  const { connections, allow = {}, pin = [], toolNames, listTimeoutMs, fetch } = options
  const clock = { now: Date.now() }
  const publicUrl = new URL('http://127.0.0.1:1')
  const keys = createKeys(KEY_RING, { publicUrl, clock: () => clock.now })
  const byName = new Map(
    Object.entries(connections).map(([name, url]) => [name, connectionOf(name, url, pin.includes(name))]),
  )
  const config: McpConfig = {
    id: 'cfg_test',
    name: 'test',
    description: undefined,
    mappings: [...byName.values()].map(({ id, name }) => ({
      connectionId: id,
      tools: Object.hasOwn(allow, name) ? allow[name] : undefined,
    })),
    toolNames,
    createdAt: new Date(0),
    updatedAt: new Date(0),
  }
  const accountsById = new Map<string, ConnectedAccount>()
  const instancesById = new Map<string, McpInstance>()
  const listeners = new Set<(event: AccountEvent) => void>()
  let configExists = true
  let sequence = 0

  function accountOf(user: string, { id: connectionId, name }: Connection): ConnectedAccount {
    const id = `ca_${name}_${Buffer.from(user).toString('hex')}`
    const known = accountsById.get(id)
    if (known !== undefined) return known
    const times = { createdAt: new Date(0), updatedAt: new Date(0) }
    const created: ConnectedAccount = {
      id,
      connectionId,
      userIdentifier: user,
      status: 'ACTIVE',
      generation: 1,
      ...times,
    }
    accountsById.set(id, created)
    return created
  }

  function changeStatus(account: ConnectedAccount, status: AccountStatus): void {
    const current = accountsById.get(account.id) ?? account
    accountsById.set(account.id, { ...current, status, generation: current.generation + 1 })
    sequence += 1
    const { id: accountId, userIdentifier, connectionId } = account
    const event = { accountId, userIdentifier, connectionId, status, oldStatus: current.status }
    for (const listener of listeners) {
      listener({ ...event, sequence, id: `evt_${sequence}`, occurredAt: new Date(clock.now) })
    }
  }

  const accounts: Accounts = {
    findLink: notItsBusiness,
    activate: notItsBusiness,
    verifyUser: notItsBusiness,
    discardUnverified: notItsBusiness,
    replaceCredential: notItsBusiness,
    readCredential: notItsBusiness,
    setStatus: notItsBusiness,
    requestScope: notItsBusiness,
    ensureForConfig: (_config, user) =>
      Promise.resolve([...byName.values()].map((connection) => ({ connection, account: accountOf(user, connection) }))),
    get: (id) => Promise.resolve(accountsById.get(id)),
    createLink(account) {
      const url = `http://127.0.0.1:1/connect/lklink_${account.id}_${world.links.length}`
      world.links.push(url)
      return Promise.resolve({ url: new Secret(url), expiresAt: new Date(clock.now + 600_000) })
    },
  }

  const openedFor = (account: ConnectedAccount): OpenedCredential => {
    const { generation } = accountsById.get(account.id) ?? account
    return { generation, headers: { Authorization: `Bearer upstream-${account.id}-${generation}` } }
  }

  const credentials: Credentials = {
    headersFor: (_connection, account) => Promise.resolve(openedFor(account)),
    afterRefusal(connection, account) {
      world.refreshes.push(account.id)
      if (!world.refreshable) {
        changeStatus(account, 'EXPIRED')
        throw new GatewayError('consent_required', `The connection "${connection.name}" must be authorized again.`)
      }
      const current = accountsById.get(account.id) ?? account
      accountsById.set(account.id, { ...current, generation: current.generation + 1 })
      return Promise.resolve(openedFor(account))
    },
  }

  const configs: Configs = {
    get: (id) => Promise.resolve(configExists && id === config.id ? config : undefined),
    getByName: () => Promise.resolve(undefined),
    mcpServerUrl: ({ id }) => `http://127.0.0.1:1/mcp/${id}`,
  }
  const instances: Instances = {
    ensure: notItsBusiness,
    rotateUrl: notItsBusiness,
    url: notItsBusiness,
    get: (id) => Promise.resolve(instancesById.get(id)),
  }
  const events: EventLog = {
    after: notItsBusiness,
    latestSequence: notItsBusiness,
    earliestSequence: notItsBusiness,
    subscribe(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }

  const changes = createChanges()
  function tell(kind: ChangeKind, subject: string): void {
    sequence += 1
    changes.announce({ sequence, kind, subject, occurredAt: new Date(clock.now) })
  }

  const store = await openSqliteStore(':memory:')
  for (const { id, name } of byName.values()) await store.connections.ensure({ id, name, createdAt: new Date(0) })
  const commit = createCommit({
    store,
    publish: () => undefined,
    announce: changes.announce,
    audit: createAudit({ store: store.audit, clock: () => clock.now }),
  })
  const toolPins = createToolPins({ store, commit, changes, clock: () => clock.now })

  const epochs = new Map<string, number>()
  const guardedFetch = createGuardedFetch({ allowLoopback: true })
  const endpoint = createMcpEndpoint({
    vault: createVault(aRing(['k1', 2])),
    keys,
    accounts,
    credentials,
    configs,
    instances,
    events,
    changes,
    toolPins,
    revocations: { epoch: (user) => Promise.resolve(epochs.get(user) ?? 0) },
    fetch: fetch ?? guardedFetch,
    clock: () => clock.now,
    ...(listTimeoutMs === undefined ? {} : { listTimeoutMs }),
  })
  const listener = await listen(async (request) => {
    const fields: Record<string, unknown> = {}
    const name = new URL(request.url).pathname.split('/')[2] ?? ''
    const response = await endpoint.handle(request, name, { set: (field, value) => void (fields[field] = value) })
    world.logLines.push(fields)
    return response
  })

  function instanceOf(user: string): McpInstance {
    const id = `ins_${Buffer.from(user).toString('hex')}`
    const known = instancesById.get(id)
    if (known !== undefined) return known
    const times = { createdAt: new Date(0), updatedAt: new Date(0), lastUsedAt: undefined }
    const ids = { id, name: id, configId: config.id, userIdentifier: user }
    const created: McpInstance = { ...ids, urlVersion: 1, urlKeyId: keys.currentKeyId, ...times }
    instancesById.set(id, created)
    return created
  }

  function connectionNamed(name: string): Connection {
    const found = byName.get(name)
    if (found === undefined) throw new Error(`no connection ${name}`)
    return found
  }

  const world: World = {
    origin: listener.origin,
    config,
    clock,
    logLines: [],
    refreshes: [],
    links: [],
    refreshable: true,
    url: (user) => `${listener.origin}/mcp/${keys.urlSecret(instanceOf(user)).reveal()}`,
    staticUrl: (configId = config.id) => `${listener.origin}/mcp/${configId}`,
    async token(user, { tools, configId = config.id, accountIds } = {}) {
      const all = [...byName.values()].map((connection) => accountOf(user, connection).id)
      const audience = configs.mcpServerUrl({ id: configId })
      const claims = { userIdentifier: user, configId, audience, connectedAccountIds: accountIds ?? all, tools }
      const epoch = epochs.get(user) ?? 0
      return (await keys.signSessionToken({ ...claims, epoch }, 3600)).token.reveal()
    },
    account: (user, connection) => accountOf(user, connectionNamed(connection)),
    setStatus: (user, connection, status) => changeStatus(accountOf(user, connectionNamed(connection)), status),
    rotateUrl(user) {
      const instance = instanceOf(user)
      instancesById.set(instance.id, { ...instance, urlVersion: instance.urlVersion + 1 })
      tell('instance', instance.id)
    },
    revoke(user) {
      epochs.set(user, (epochs.get(user) ?? 0) + 1)
      instancesById.delete(instanceOf(user).id)
      tell('user', user)
    },
    changeConfig: () => tell('config', config.id),
    deleteConfig() {
      configExists = false
      tell('config', config.id)
    },
    post: (url, body, headers = {}) =>
      globalThis.fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    connection: connectionNamed,
    toolPins,
    store,
    async [Symbol.asyncDispose]() {
      await endpoint.close()
      toolPins.close()
      await store.close()
      await listener.close()
      await guardedFetch.close()
    },
  }
  return world
}

/** The endpoint reads; who changes accounts and instances is somebody else. */
function notItsBusiness(): never {
  throw new Error('The MCP endpoint has asked for something that is not its business.')
}

function connectionOf(name: string, mcpServerUrl: string, pinTools: boolean): Connection {
  const auth = { type: 'api_key', header: 'Authorization' } as const
  return { id: `conn_${name}`, name, displayName: name.toUpperCase(), provider: name, mcpServerUrl, pinTools, auth }
}
