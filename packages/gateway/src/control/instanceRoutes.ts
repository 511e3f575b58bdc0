import {
  ensureInstanceRequestSchema,
  getAuthStateRequestSchema,
  instanceUpdateSchema,
  type WireEnsuredInstance,
} from '@latchkey/core/wire'
import { Hono } from 'hono'
import type { McpConfig, McpInstance } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { Accounts, AsOf, Instances, Revocations } from '../services.ts'
import type { AuthStates } from './authStates.ts'
import { clientOf } from './clientOf.ts'
import type { ManagedConfigs } from './configs.ts'
import type { Filters } from './filters.ts'
import { instanceQuerySchema } from './instancePaths.ts'
import type { ManagedInstances } from './managedInstances.ts'
import { readPage, type PageQuery } from './pageQuery.ts'
import { check, readBody } from './readBody.ts'
import type { SessionTokens } from './sessionTokens.ts'
import type { ToWire } from './toWire.ts'

export interface InstanceRoutesOptions {
  readonly configs: ManagedConfigs
  readonly instances: Instances
  readonly managedInstances: ManagedInstances
  readonly filters: Filters
  readonly accounts: Accounts
  readonly revocations: Revocations
  readonly authStates: AuthStates
  readonly sessionTokens: SessionTokens
  readonly toWire: ToWire
  /** What the MCP endpoint answers to `server/discover`. */
  readonly discoverResult: () => Record<string, unknown>
}

/** `/api/v1/mcp/instances` and what is below it. */
export function instanceRoutes(options: InstanceRoutesOptions): Hono {
  const {
    configs,
    instances,
    managedInstances,
    filters,
    accounts,
    revocations,
    authStates,
    sessionTokens,
    toWire,
    discoverResult,
  } = options
  const app = new Hono()

  app.post('/', async (context) => {
    const body = await readBody(context, ensureInstanceRequestSchema)
    const config = await configs.requireByName(body.config_name)
    const asOf = { configId: config.id, epoch: await revocations.epoch(body.user_identifier, config.id) }
    const instance = await instances.ensure(config, body.user_identifier, body.name, asOf)
    return context.json({ instance: await describe(instance, config), ...(await extras(config, body, asOf)) })
  })

  app.get('/', async (context) => {
    const query = check(context.req.query(), instanceQuerySchema)
    const filter = await filters.ofInstances(query)
    const list = (place: PageQuery) => managedInstances.list({ ...filter, ...place })
    const { entries, ...tokens } = await readPage({ of: 'instances', query, list, keyOf: ({ id }) => id })
    const total = await managedInstances.count(filter)
    return context.json({ instances: await describeAll(entries), ...tokens, total_size: total })
  })

  app.get('/:id', async (context) => {
    const { instance, config } = await find(context.req.param('id'))
    return context.json({ instance: await describe(instance, config) })
  })

  app.patch('/:id', async (context) => {
    const { name, config_name: configName } = await readBody(context, instanceUpdateSchema)
    const { instance } = await find(context.req.param('id'))
    const config = configName === undefined ? undefined : await configs.requireByName(configName)
    const updated = await managedInstances.update(instance, { name, config })
    return context.json({ instance: await describe(updated, await configs.require(updated.configId)) })
  })

  app.delete('/:id', async (context) => {
    const { instance } = await find(context.req.param('id'))
    await managedInstances.delete(instance)
    return context.json({})
  })

  app.post('/:target{[^/]+(?::|%3[aA])get_auth_state}', async (context) => {
    const { instance, config } = await find(context.req.param('target').slice(0, -GET_AUTH_STATE.length))
    const body = await readBody(context, getAuthStateRequestSchema)
    const asOf = { configId: config.id, epoch: await revocations.epoch(instance.userIdentifier, config.id) }
    // Still there: then the user was not revoked before the epoch was read.
    await find(instance.id)
    const states = await accounts.ensureForConfig(config, instance.userIdentifier, asOf)
    const includeLinks = body.include_auth_links ?? false
    return context.json({ connections: await authStates(states, { includeLinks, clientId: clientOf(context) }) })
  })

  app.post('/:target{[^/]+(?::|%3[aA])rotate_url}', async (context) => {
    const { instance, config } = await find(context.req.param('target').slice(0, -ROTATE_URL.length))
    return context.json({ instance: await describe(await instances.rotateUrl(instance.id), config) })
  })

  return app

  /** What we add: everything that the caller would ask for next, in the same answer. */
  async function extras(
    config: McpConfig,
    request: EnsureRequest,
    asOf: AsOf,
  ): Promise<Omit<WireEnsuredInstance, 'instance'>> {
    const { include_auth_state: wantsState = false, include_session_token: wantsToken = false } = request
    if (!wantsState && !wantsToken) return {}
    const states = await accounts.ensureForConfig(config, request.user_identifier, asOf)
    const tokenRequest = { config, userIdentifier: request.user_identifier, accounts: states, epoch: asOf.epoch }
    const token =
      wantsToken && sessionTokens.isReady(states)
        ? await sessionTokens.issue({ ...tokenRequest, expiry: request.session_token_expiry })
        : undefined
    return {
      ...(wantsState && { auth_state: { connections: await authStates(states) } }),
      ...(token && { session_token: toWire.sessionToken(token) }),
      discover_result: discoverResult(),
    }
  }

  async function describe(instance: McpInstance, config: McpConfig) {
    return toWire.instance(instance, config, await instances.url(instance))
  }

  /** Leaves out those whose config went between the two reads. */
  async function describeAll(page: readonly McpInstance[]) {
    const ids = [...new Set(page.map(({ configId }) => configId))]
    const found = new Map(await Promise.all(ids.map(async (id) => [id, await configs.get(id)] as const)))
    const described = page.map(async (instance) => {
      const config = found.get(instance.configId)
      return config === undefined ? [] : await describe(instance, config)
    })
    return (await Promise.all(described)).flat()
  }

  async function find(id: string): Promise<{ instance: McpInstance; config: McpConfig }> {
    const instance = await instances.get(id)
    const config = instance && (await configs.get(instance.configId))
    if (instance !== undefined && config !== undefined) return { instance, config }
    throw new GatewayError('not_found', 'There is no MCP instance with this id.')
  }
}

const GET_AUTH_STATE = ':get_auth_state'
const ROTATE_URL = ':rotate_url'

type EnsureRequest = ReturnType<typeof ensureInstanceRequestSchema.parse>
