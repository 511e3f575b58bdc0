import {
  configListSchema,
  configRequestSchema,
  configSchema,
  configUpdateSchema,
  connectedAccountsRequestSchema,
  connectedAccountsSchema,
  sessionTokenRequestSchema,
  sessionTokenSchema,
} from '@latchkey/core/wire'
import * as z from 'zod'
import { describeRoute } from './openapi/describeRoute.ts'
import { namePrefixSchema, pageQueryShape } from './pageQuery.ts'

/** What the list of configs takes. */
export const configQuerySchema = z.object({
  'filter.id': z.string().optional(),
  'filter.name': namePrefixSchema.optional().meta({ description: 'The beginning of the name, in any case.' }),
  'filter.provider': z.string().optional().meta({ description: 'Uses a connection of this provider.' }),
  'filter.mcp_server_url': z.string().optional(),
  search: z.string().optional().meta({ description: 'Somewhere in the name or the description, in any case.' }),
  ...pageQueryShape,
})

const CONFIGS = '/api/v1/mcp/configs'
const answerSchema = z.object({ config: configSchema })

export const configPaths = [
  describeRoute({
    method: 'post',
    path: CONFIGS,
    operationId: 'createConfig',
    tag: 'Configs',
    summary: 'Create an MCP config',
    body: configRequestSchema,
    responses: { 201: { description: 'The config. 409 if the name is taken.', schema: answerSchema } },
  }),
  describeRoute({
    method: 'get',
    path: CONFIGS,
    operationId: 'listConfigs',
    tag: 'Configs',
    summary: 'List MCP configs, by name',
    query: configQuerySchema,
    responses: { 200: { description: 'One page.', schema: configListSchema } },
  }),
  describeRoute({
    method: 'get',
    path: `${CONFIGS}/{config_id}`,
    operationId: 'getConfig',
    tag: 'Configs',
    summary: 'Get an MCP config',
    responses: { 200: { description: 'The config.', schema: answerSchema } },
  }),
  describeRoute({
    method: 'put',
    path: `${CONFIGS}/{config_id}`,
    operationId: 'replaceConfig',
    tag: 'Configs',
    summary: 'Replace the description, connections and tools of an MCP config',
    description: 'Every running agent has the new tools from its next request on.',
    body: configUpdateSchema,
    responses: { 200: { description: 'The config as it is now.', schema: answerSchema } },
  }),
  describeRoute({
    method: 'delete',
    path: `${CONFIGS}/{config_id}`,
    operationId: 'deleteConfig',
    tag: 'Configs',
    summary: 'Delete an MCP config, its instances, their URLs and its session tokens',
    description: "The users' connected accounts stay: other configs may use them.",
    responses: { 200: { description: 'It is gone.', schema: z.object({}) } },
  }),
  describeRoute({
    method: 'post',
    path: `${CONFIGS}/{config_id}/connected_accounts`,
    operationId: 'getConfigAccounts',
    tag: 'Connected accounts',
    summary: "Get a user's account for each connection of a config",
    description: 'Accounts that are missing are made. With links, each call makes new ones: ask once, do not poll.',
    isRepeatable: true,
    body: connectedAccountsRequestSchema,
    responses: { 200: { description: "In the config's order.", schema: connectedAccountsSchema } },
  }),
  describeRoute({
    method: 'post',
    path: `${CONFIGS}/{config_id}/tokens`,
    operationId: 'createSessionToken',
    tag: 'Instances',
    summary: "Make a session token for one user's agent",
    description: 'Refused while an account is not ACTIVE, unless allow_partial is true.',
    body: sessionTokenRequestSchema,
    responses: { 200: { description: 'The token.', schema: sessionTokenSchema } },
  }),
]
