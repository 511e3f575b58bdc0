import { diagnosticsSchema, userIdentifierSchema } from '@latchkey/core/wire'
import * as z from 'zod'
import { describeRoute } from './openapi/describeRoute.ts'

/** Which user to look at, and in which config. */
export const diagnosticsQuerySchema = z.object({
  identifier: userIdentifierSchema.optional().meta({ description: 'The user. Default: only the gateway itself.' }),
  config_name: z
    .string()
    .optional()
    .meta({ description: 'An MCP config. Default: those that the user has an instance of.' }),
})

export const diagnosticsPaths = [
  describeRoute({
    method: 'get',
    path: '/api/v1/diagnostics',
    operationId: 'getDiagnostics',
    tag: 'Gateway',
    summary: 'Find out what is wrong: with the gateway, and with the connections and tools of a user',
    description:
      'Asks the upstreams for the tools of the user. It makes nothing, and tells no secret: of a credential only its kind and when it ends.',
    query: diagnosticsQuerySchema,
    responses: { 200: { description: 'What there is to say.', schema: diagnosticsSchema } },
  }),
]
