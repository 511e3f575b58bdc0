import { Hono } from 'hono'
import { createAccounts } from '../../src/accounts/accounts.ts'
import { createAudit } from '../../src/audit/audit.ts'
import { createCommit } from '../../src/accounts/commit.ts'
import { createInstances } from '../../src/accounts/instances.ts'
import { createRevocations } from '../../src/accounts/revocations.ts'
import { createUpstreamRevocations } from '../../src/accounts/upstreamRevocations.ts'
import type { GatewayOptions } from '../../src/config/gatewayOptions.ts'
import { parseOptions } from '../../src/config/parseOptions.ts'
import { createConnections } from '../../src/config/connections.ts'
import { createRegistry } from '../../src/config/registry.ts'
import { verifyUrlProblem } from '../../src/config/verifyUrls.ts'
import { createConfigs } from '../../src/control/configs.ts'
import { createControl } from '../../src/control/control.ts'
import type { Connection, Credential } from '../../src/domain.ts'
import { createChanges } from '../../src/events/changes.ts'
import { createEventLog } from '../../src/events/eventLog.ts'
import { errorResponse } from '../../src/http/errorResponse.ts'
import { createKeys } from '../../src/keys/keys.ts'
import type { UpstreamRevocation } from '../../src/services.ts'
import { createUnknownTools } from '../../src/mcp/unknownTools.ts'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import type { Store } from '../../src/store/store.ts'
import { createToolPins } from '../../src/trust/toolPins.ts'
import { createVault } from '../../src/vault/vault.ts'
import { createWebhooks } from '../../src/webhooks/webhooks.ts'
import { aRing } from '../keys/ring.ts'

export const START = Date.parse('2026-07-28T10:00:00.000Z')
export const CLIENT_SECRET = 'canary-client-secret'

export const OPTIONS = {
  publicUrl: 'https://latchkey.example',
  userVerification: 'off',
  database: 'sqlite::memory:',
  clients: [
    { clientId: 'app', clientSecret: CLIENT_SECRET },
    { clientId: 'other', clientSecret: 'another-secret' },
  ],
  connections: {
    mail: { provider: 'acme-mail', mcpServerUrl: 'https://mail.example/mcp', auth: { type: 'oauth2' } },
    search: { mcpServerUrl: 'https://search.example/mcp', auth: { type: 'api_key', header: 'X-Api-Key' } },
    docs: { mcpServerUrl: 'https://docs.example/mcp', auth: { type: 'none' } },
  },
  configs: {
    'email-agent': { mail: ['search_mail', 'read_mail'], docs: '*' },
    'search-agent': { search: '*' },
    reader: { docs: '*' },
  },
} satisfies GatewayOptions

export const API_KEY: Credential = { type: 'api_key', key: 'canary-api-key', origin: 'https://search.example' }

const readiness = async () => await Promise.resolve({ isReady: true, checks: { store: 'ok' as const } })

/** The rooms of the control plane on a store in memory and a clock that the test moves. */
export async function openRooms(options: GatewayOptions = OPTIONS, existing?: Store) {
  let now = START
  const clock = () => now
  const parsed = parseOptions(options, { environment: {} })
  const { publicUrl, clients, connections, configs: definitions } = parsed
  const store = existing ?? (await openSqliteStore(':memory:'))
  const keys = createKeys(aRing(['k1', 1]), { publicUrl, clock })
  const vault = createVault(aRing(['k1', 2]))
  const registry = await createRegistry({ connections, configs: definitions, store, clock, vault })
  const events = createEventLog(store)
  const changes = createChanges()
  changes.subscribe((change) => registry.onChange(change))
  const commit = createCommit({ store, publish: events.publish, announce: changes.announce })
  const accounts = createAccounts({
    store,
    vault,
    registry,
    commit,
    publicUrl,
    clock,
    verifyUrl: parsed.userVerification?.url,
    finishRevocations: async (userIdentifier) => await upstreamRevocations.finish(userIdentifier),
  })
  const upstream = { outcome: 'revoked' as UpstreamRevocation | Promise<UpstreamRevocation>, told: [] as string[] }
  const oauth = {
    revoke: async (_connection: Connection, { accessToken }: Credential & { type: 'oauth2' }) => {
      upstream.told.push(accessToken)
      return await upstream.outcome
    },
  }
  const upstreamRevocations = createUpstreamRevocations({ store, vault, registry, oauth, clock })
  const revocations = createRevocations({ store, commit, vault, registry, upstreamRevocations, clock })
  const instances = createInstances({ store, commit, keys, publicUrl, clock })
  const configs = createConfigs({ store, commit, publicUrl, clock })
  const managedConnections = createConnections({ store, vault, registry, commit, clock })
  const closing = new AbortController()
  const webhooks = createWebhooks({ store, vault, clock, checkUrl: (url) => new URL(url), wake: () => undefined })
  const audit = createAudit({ store: store.audit, clock })
  const rings = { encryption: aRing(['k1', 2]), signing: aRing(['k1', 1]) }
  const toolPins = createToolPins({ store, commit, changes, clock })
  const control = createControl({
    toolPins,
    connections: managedConnections,
    diagnosed: { ...parsed, rings, readiness },
    tools: {
      inspect: async (_config, found) =>
        await Promise.resolve(found.map((each) => ({ ...each, unavailable: undefined, tools: [] }))),
    },
    audit,
    publicUrl,
    verifyUrlProblem: (url) => verifyUrlProblem(url, parsed),
    clients,
    store,
    vault,
    commit,
    clock,
    keys,
    registry,
    configs,
    instances,
    accounts,
    revocations,
    events,
    changes,
    webhooks,
    discoverResult: () => ({ supportedVersions: ['2026-07-28'] }),
    unknownTools: createUnknownTools(registry),
    signal: closing.signal,
    keepAliveMs: 20,
  })
  const app = new Hono().route('/', control)
  app.onError((error, context) => errorResponse(context, error))

  const connect = async (url: string, credential: Credential = API_KEY) => {
    const link = await accounts.findLink(new URL(url).pathname.split('/').at(-1) ?? '')
    return link !== undefined && (await accounts.activate(link.id, credential))
  }

  return {
    app,
    store,
    registry,
    keys,
    vault,
    events,
    webhooks,
    toolPins,
    accounts,
    revocations,
    upstreamRevocations,
    /** What the authorization servers are told of removed accounts, and what they answer. */
    upstream,
    changes,
    instances,
    configs,
    /** Opens a link and consents, as the connect page would. */
    connect,
    accountOf: async (configName: string, userIdentifier: string, connectionName: string) => {
      const states = await accounts.ensureForConfig(await configs.requireByName(configName), userIdentifier)
      const state = states.find(({ connection }) => connection.name === connectionName)
      if (state === undefined) throw new Error(`${configName} has no ${connectionName}`)
      return state.account
    },
    advance: (milliseconds: number) => {
      now += milliseconds
    },
    endStreams: () => closing.abort(),
    close: async () => {
      closing.abort()
      await store.close()
    },
  }
}

export type Rooms = Awaited<ReturnType<typeof openRooms>>
