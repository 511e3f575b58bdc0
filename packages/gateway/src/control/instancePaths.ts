import {
  authStateSchema,
  ensuredInstanceSchema,
  ensureInstanceRequestSchema,
  getAuthStateRequestSchema,
  instanceListSchema,
  instanceSchema,
  instanceUpdateSchema,
} from '@latchkey/core/wire'
import * as z from 'zod'
import { describeRoute } from './openapi/describeRoute.ts'
import { namePrefixSchema, pageQueryShape } from './pageQuery.ts'

/** What the list of instances takes. */
export const instanceQuerySchema = z.object({
  'filter.id': z.string().optional(),
  'filter.name': namePrefixSchema.optional().meta({ description: 'The beginning of the name, in any case.' }),
  'filter.config_name': z.string().optional().meta({ description: 'Exactly.' }),
  'filter.user_identifier': z.string().optional().meta({ description: 'Exactly.' }),
  search: z.string().optional().meta({ description: 'Somewhere in the name or the user identifier, in any case.' }),
  ...pageQueryShape,
})

const INSTANCES = '/api/v1/mcp/instances'
const answerSchema = z.object({ instance: instanceSchema })

export const instancePaths = [
  describeRoute({
    method: 'post',
    path: INSTANCES,
    operationId: 'ensureInstance',
    tag: 'Instances',
    summary: "Get a user's instance of a config, which is made if there is none",
    description: 'The same user and config give the same instance and URL every time. The URL is a credential.',
    isRepeatable: true,
    body: ensureInstanceRequestSchema,
    responses: { 200: { description: 'The instance, and what else was asked for.', schema: ensuredInstanceSchema } },
  }),
  describeRoute({
    method: 'get',
    path: INSTANCES,
    operationId: 'listInstances',
    tag: 'Instances',
    summary: 'List instances',
    query: instanceQuerySchema,
    responses: { 200: { description: 'One page.', schema: instanceListSchema } },
  }),
  describeRoute({
    method: 'get',
    path: `${INSTANCES}/{instance_id}`,
    operationId: 'getInstance',
    tag: 'Instances',
    summary: 'Get an instance',
    responses: { 200: { description: 'The instance.', schema: answerSchema } },
  }),
  describeRoute({
    method: 'patch',
    path: `${INSTANCES}/{instance_id}`,
    operationId: 'updateInstance',
    tag: 'Instances',
    summary: 'Rename an instance, or move it to another config',
    description:
      "A moved instance keeps its URL and has the other config's connections and tools; the user's session tokens for the config that it leaves are revoked.",
    body: instanceUpdateSchema,
    responses: {
      200: { description: 'The instance. 409 if the user has one of that config already.', schema: answerSchema },
    },
  }),
  describeRoute({
    method: 'delete',
    path: `${INSTANCES}/{instance_id}`,
    operationId: 'deleteInstance',
    tag: 'Instances',
    summary: "Delete an instance, its URL, and the user's session tokens for its config",
    responses: { 200: { description: 'It is gone.', schema: z.object({}) } },
  }),
  describeRoute({
    method: 'post',
    path: `${INSTANCES}/{instance_id}:get_auth_state`,
    operationId: 'getAuthState',
    tag: 'Instances',
    summary: 'Get the state of every connection that an instance needs',
    description: 'With links, each call makes new ones: ask once, do not poll.',
    isRepeatable: true,
    body: getAuthStateRequestSchema,
    responses: { 200: { description: "In the config's order.", schema: authStateSchema } },
  }),
]
