import {
  connectionListSchema,
  connectionRequestSchema,
  connectionSchema,
  connectionUpdateSchema,
} from '@latchkey/core/wire'
import * as z from 'zod'
import { describeRoute } from './openapi/describeRoute.ts'

const CONNECTIONS = '/api/v1/connections'
const ONE = `${CONNECTIONS}/{connection_id}`
const answerSchema = z.object({ connection: connectionSchema })

export const connectionPaths = [
  describeRoute({
    method: 'post',
    path: CONNECTIONS,
    operationId: 'createConnection',
    tag: 'Connections',
    summary: 'Create a connection',
    description: 'It works like one of the configuration file. Its secrets are kept sealed and never shown again.',
    body: connectionRequestSchema,
    responses: { 201: { description: 'The connection. 409 if the name is taken.', schema: answerSchema } },
  }),
  describeRoute({
    method: 'get',
    path: CONNECTIONS,
    operationId: 'listConnections',
    tag: 'Connections',
    summary: 'List all connections, by name',
    responses: { 200: { description: 'All of them.', schema: connectionListSchema } },
  }),
  describeRoute({
    method: 'get',
    path: ONE,
    operationId: 'getConnection',
    tag: 'Connections',
    summary: 'Get a connection by its id or name',
    responses: { 200: { description: 'The connection.', schema: answerSchema } },
  }),
  describeRoute({
    method: 'put',
    path: ONE,
    operationId: 'replaceConnection',
    tag: 'Connections',
    summary: 'Replace what is known of a connection, its secrets too',
    description: 'Credentials for another server are not sent to the new one: their accounts become EXPIRED.',
    body: connectionUpdateSchema,
    responses: {
      200: { description: 'The connection as it is now. 409 if it is from the configuration.', schema: answerSchema },
    },
  }),
  describeRoute({
    method: 'delete',
    path: ONE,
    operationId: 'deleteConnection',
    tag: 'Connections',
    summary: 'Delete a connection that no MCP config uses',
    description: '409 if it is from the configuration, or while a config uses it. Its accounts are of no use then.',
    responses: { 200: { description: 'It is gone.', schema: z.object({}) } },
  }),
]
