import { CONNECTED_ACCOUNT_STATUSES, connectedAccountListSchema, userIdentifierSchema } from '@latchkey/core/wire'
import * as z from 'zod'
import { describeRoute } from './openapi/describeRoute.ts'
import { pageQueryShape } from './pageQuery.ts'

/** What the list of connected accounts takes. */
export const accountQuerySchema = z.object({
  connector: z.string().optional().meta({ description: "The connection's name." }),
  connection_id: z.string().optional(),
  provider: z.string().optional(),
  identifier: userIdentifierSchema.optional().meta({ description: 'The user, exactly.' }),
  status: z.enum(CONNECTED_ACCOUNT_STATUSES, 'is not a status').optional(),
  ...pageQueryShape,
})

export const accountPaths = [
  describeRoute({
    method: 'get',
    path: '/api/v1/connected_accounts',
    operationId: 'listConnectedAccounts',
    tag: 'Connected accounts',
    summary: 'List connected accounts',
    description: 'Accounts of connections that the configuration no longer names are left out.',
    query: accountQuerySchema,
    responses: { 200: { description: 'One page.', schema: connectedAccountListSchema } },
  }),
]
