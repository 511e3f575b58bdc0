import {
  configRequestSchema,
  configUpdateSchema,
  connectedAccountsRequestSchema,
  sessionTokenRequestSchema,
  type WireConnectionToolMapping,
} from '@latchkey/core/wire'
import { Hono } from 'hono'
import type { ConnectionToolMapping, ToolNames } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { Accounts, Registry, Revocations } from '../services.ts'
import { toolNameConflict } from '../toolNameConflict.ts'
import type { AuthStates } from './authStates.ts'
import { clientOf } from './clientOf.ts'
import { configQuerySchema } from './configPaths.ts'
import type { ManagedConfigs } from './configs.ts'
import type { Filters } from './filters.ts'
import { readPage, type PageQuery } from './pageQuery.ts'
import { check, readBody } from './readBody.ts'
import type { SessionTokens } from './sessionTokens.ts'
import type { ToWire } from './toWire.ts'

export interface ConfigRoutesOptions {
  readonly configs: ManagedConfigs
  readonly registry: Registry
  readonly accounts: Accounts
  readonly revocations: Revocations
  readonly filters: Filters
  readonly authStates: AuthStates
  readonly sessionTokens: SessionTokens
  readonly toWire: ToWire
}

/** `/api/v1/mcp/configs` and what is below it. */
export function configRoutes(options: ConfigRoutesOptions): Hono {
  const { configs, registry, accounts, revocations, filters, authStates, sessionTokens, toWire } = options
  const app = new Hono()

  app.post('/', async (context) => {
    const body = await readBody(context, configRequestSchema)
    refuseControlCharacters(body.name)
    const { name, description, tool_names: toolNames } = body
    const mappings = toMappings(body.connection_tool_mappings, registry, toolNames)
    const config = await configs.create({ name, description, mappings, toolNames })
    return context.json({ config: toWire.config(config) }, 201)
  })

  app.get('/', async (context) => {
    const query = check(context.req.query(), configQuerySchema)
    const filter = filters.ofConfigs(query)
    const list = (place: PageQuery) => configs.list({ ...filter, ...place })
    const { entries, ...tokens } = await readPage({ of: 'configs', query, list, keyOf: ({ name }) => name })
    return context.json({ configs: entries.map(toWire.config), ...tokens, total_size: await configs.count(filter) })
  })

  app.get('/:id', async (context) => {
    const config = await configs.require(context.req.param('id'))
    return context.json({ config: toWire.config(config) })
  })

  app.put('/:id', async (context) => {
    const { name, description, connection_tool_mappings: wire, ...rest } = await readBody(context, configUpdateSchema)
    const { id, name: given, toolNames: before } = await configs.require(context.req.param('id'))
    const toolNames = rest.tool_names ?? before
    if (name !== undefined && name !== given) throw fixedName(given)
    const config = await configs.replace(id, {
      description,
      mappings: toMappings(wire, registry, toolNames),
      toolNames,
    })
    return context.json({ config: toWire.config(config) })
  })

  app.delete('/:id', async (context) => {
    await configs.delete(context.req.param('id'))
    return context.json({})
  })

  app.post('/:id/connected_accounts', async (context) => {
    const body = await readBody(context, connectedAccountsRequestSchema)
    const config = await configs.require(context.req.param('id'))
    const states = await accounts.ensureForConfig(config, body.identifier)
    const includeLinks = body.include_auth_link ?? false
    return context.json({ connected_accounts: await authStates(states, { includeLinks, clientId: clientOf(context) }) })
  })

  app.post('/:id/tokens', async (context) => {
    const {
      identifier,
      expiry,
      tools,
      allow_partial: allowPartial,
    } = await readBody(context, sessionTokenRequestSchema)
    const config = await configs.require(context.req.param('id'))
    const epoch = await revocations.epoch(identifier, config.id)
    const states = await accounts.ensureForConfig(config, identifier, { configId: config.id, epoch })
    const request = { config, userIdentifier: identifier, accounts: states, expiry, tools, allowPartial, epoch }
    const token = await sessionTokens.issue(request)
    return context.json(toWire.sessionToken(token))
  })

  return app
}

function fixedName(name: string): GatewayError {
  return new GatewayError('invalid_request', `name: cannot be changed: agents find the config by it. It is "${name}".`)
}

function refuseControlCharacters(name: string): void {
  if (!/\p{Cc}/u.test(name)) return
  throw new GatewayError('invalid_request', 'name: contains control characters')
}

function toMappings(
  wire: readonly WireConnectionToolMapping[],
  registry: Registry,
  toolNames: ToolNames | undefined,
): ConnectionToolMapping[] {
  const named = wire.map(({ connection_name: connectionName, tools = [] }) => ({
    connectionName,
    tools: tools.length > 0 ? tools : undefined,
  }))
  const conflict = toolNameConflict(toolNames, named)
  if (conflict !== undefined) throw new GatewayError('invalid_request', `tool_names: ${conflict}`)
  const mappings = wire.map((mapping) => toMapping(mapping, registry))
  if (new Set(mappings.map(({ connectionId }) => connectionId)).size === mappings.length) return mappings
  throw new GatewayError('invalid_request', 'connection_tool_mappings: names the same connection twice')
}

function toMapping({ connection_name: name, tools = [] }: WireConnectionToolMapping, registry: Registry) {
  const connection = registry.connectionByName(name)
  if (connection === undefined) throw unknownConnection(name, registry)
  if (new Set(tools).size !== tools.length) {
    throw new GatewayError('invalid_request', `connection_tool_mappings: repeats a tool of "${name}"`)
  }
  return { connectionId: connection.id, tools: tools.length > 0 ? tools : undefined }
}

function unknownConnection(name: string, registry: Registry): GatewayError {
  const known = registry.connections().map((connection) => connection.name)
  return new GatewayError(
    'invalid_request',
    `connection_tool_mappings: there is no connection named "${name}". The known ones are: ${known.join(', ')}.`,
  )
}
