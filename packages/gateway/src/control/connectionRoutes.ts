import { connectionRequestSchema, connectionUpdateSchema } from '@latchkey/core/wire'
import { Hono } from 'hono'
import type { ManagedConnections } from '../config/connections.ts'
import type { Connection } from '../domain.ts'
import { connectionToWire, fromWire, toSnake } from './connectionToWire.ts'
import { readBody } from './readBody.ts'

export interface ConnectionRoutesOptions {
  readonly connections: ManagedConnections
}

/** `/api/v1/connections` and one of them. What is known of their tools is elsewhere. */
export function connectionRoutes({ connections }: ConnectionRoutesOptions): Hono {
  const app = new Hono()
  const wire = (connection: Connection) =>
    connectionToWire(connection, connections.isFromConfiguration(connection.id) ? 'configuration' : 'api')

  app.post('/', async (context) => {
    const { name, ...definition } = await readBody(context, connectionRequestSchema)
    const connection = await connections.create(name, fromWire(definition), toSnake)
    return context.json({ connection: wire(connection) }, 201)
  })

  app.get('/', (context) => context.json({ connections: connections.list().map(wire) }))

  app.get('/:id', (context) => context.json({ connection: wire(connections.require(context.req.param('id'))) }))

  app.put('/:id', async (context) => {
    const definition = await readBody(context, connectionUpdateSchema)
    const { id } = connections.require(context.req.param('id'))
    return context.json({ connection: wire(await connections.replace(id, fromWire(definition), toSnake)) })
  })

  app.delete('/:id', async (context) => {
    await connections.delete(connections.require(context.req.param('id')).id)
    return context.json({})
  })

  return app
}
