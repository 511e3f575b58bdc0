import { approveToolsRequestSchema, quarantineToolsRequestSchema, type WirePinnedTool } from '@latchkey/core/wire'
import { Hono } from 'hono'
import type { Connection, ToolPin } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { Registry } from '../services.ts'
import type { ManagedToolPins } from '../trust/toolPins.ts'
import { definitionChanges } from '../trust/definitionChanges.ts'
import { readPage } from './pageQuery.ts'
import { check, readBody } from './readBody.ts'
import { toolPinQuerySchema } from './toolPinPaths.ts'

export interface ToolPinRoutesOptions {
  readonly registry: Pick<Registry, 'connectionByName'>
  readonly toolPins: ManagedToolPins
}

const STATES = { APPROVED: 'approved', QUARANTINED: 'quarantined' } as const

/** What is below `/api/v1/connections/{connection_name}/tools`. */
export function toolPinRoutes({ registry, toolPins }: ToolPinRoutesOptions): Hono {
  const app = new Hono()

  app.get('/:name/tools', async (context) => {
    const { id: connectionId } = requireConnection(context.req.param('name'))
    const query = check(context.req.query(), toolPinQuerySchema)
    const wanted = query['filter.state']
    const state = wanted === undefined ? undefined : STATES[wanted]
    const { entries, ...tokens } = await readPage<ToolPin>({
      of: 'pinned_tools',
      query,
      keyOf: ({ id }) => id,
      list: (place) => toolPins.list({ connectionId, state, ...place }),
    })
    return context.json({ tools: await Promise.all(entries.map(withChanges)), ...tokens })
  })
  app.post('/:name/:target{tools(?::|%3[aA])approve}', async (context) => {
    const connection = requireConnection(context.req.param('name'))
    const { tools } = await readBody(context, approveToolsRequestSchema)
    const decided =
      tools === undefined
        ? await toolPins.approveAll(connection)
        : await toolPins.decide(connection, tools.map(toDefinition), 'approved')
    return context.json({ tools: decided.map(toWire) })
  })
  app.post('/:name/:target{tools(?::|%3[aA])quarantine}', async (context) => {
    const connection = requireConnection(context.req.param('name'))
    const { tools } = await readBody(context, quarantineToolsRequestSchema)
    const decided = await toolPins.decide(connection, tools.map(toDefinition), 'quarantined')
    return context.json({ tools: decided.map(toWire) })
  })
  return app

  function requireConnection(name: string): Connection {
    const connection = registry.connectionByName(name)
    if (connection === undefined) throw new GatewayError('not_found', 'There is no connection with this name.')
    if (connection.pinTools === true) return connection
    const message = `The connection "${name}" does not pin its tools: set "pinTools" to true in its configuration.`
    throw new GatewayError('precondition', message)
  }

  async function withChanges(pin: ToolPin): Promise<WirePinnedTool> {
    const approved = pin.state === 'quarantined' ? await toolPins.lastApproved(pin) : undefined
    if (approved?.definition === undefined || pin.definition === undefined) return toWire(pin)
    return { ...toWire(pin), changes: [...definitionChanges(approved.definition, pin.definition)] }
  }
}

function toDefinition({ name: tool, digest }: { name: string; digest: string }) {
  return { tool, digest }
}

function toWire({ tool, digest, state, definition, seenAt, decidedAt }: ToolPin): WirePinnedTool {
  return {
    name: tool,
    digest,
    state: state.toUpperCase(),
    ...(definition !== undefined && { definition }),
    seen_at: seenAt.toISOString(),
    ...(decidedAt !== undefined && { decided_at: decidedAt.toISOString() }),
  }
}
