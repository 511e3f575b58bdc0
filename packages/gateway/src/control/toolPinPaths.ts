import {
  approveToolsRequestSchema,
  decidedToolsSchema,
  pinnedToolListSchema,
  quarantineToolsRequestSchema,
} from '@latchkey/core/wire'
import * as z from 'zod'
import { describeRoute } from './openapi/describeRoute.ts'
import { pageQueryShape } from './pageQuery.ts'

/** What the list of a connection's pinned tools takes. */
export const toolPinQuerySchema = z.object({
  'filter.state': z.enum(['APPROVED', 'QUARANTINED']).optional(),
  ...pageQueryShape,
})

const TOOLS = '/api/v1/connections/{connection_name}/tools'

export const toolPinPaths = [
  describeRoute({
    method: 'get',
    path: TOOLS,
    operationId: 'listPinnedTools',
    tag: 'Connections',
    summary: 'List the definitions of tools that a connection has listed, by tool',
    description: 'Of connections with "pinTools". What is quarantined is neither listed to agents nor called.',
    query: toolPinQuerySchema,
    responses: { 200: { description: 'One page.', schema: pinnedToolListSchema } },
  }),
  describeRoute({
    method: 'post',
    path: `${TOOLS}:approve`,
    operationId: 'approveTools',
    tag: 'Connections',
    summary: 'Approve definitions of tools',
    description: 'Every running agent has them from its next request on.',
    body: approveToolsRequestSchema,
    responses: { 200: { description: 'What was approved.', schema: decidedToolsSchema } },
  }),
  describeRoute({
    method: 'post',
    path: `${TOOLS}:quarantine`,
    operationId: 'quarantineTools',
    tag: 'Connections',
    summary: 'Put definitions of tools into quarantine',
    description: 'No agent can call them any more.',
    body: quarantineToolsRequestSchema,
    responses: { 200: { description: 'What was quarantined.', schema: decidedToolsSchema } },
  }),
]
