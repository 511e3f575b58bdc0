import {
  deleteAccountRequestSchema,
  instanceSchema,
  revokedAccountSchema,
  revokeUserRequestSchema,
  userRevocationSchema,
} from '@latchkey/core/wire'
import * as z from 'zod'
import { describeRoute } from './openapi/describeRoute.ts'

export const revocationPaths = [
  describeRoute({
    method: 'post',
    path: '/api/v1/users:revoke',
    operationId: 'revokeUser',
    tag: 'Users',
    summary: 'End everything of a user: session tokens, URLs, links, live streams, accounts, and the grants upstream',
    description:
      'What a request makes that began before does not survive it; that request is answered with 409. Call it again if it was interrupted: it finishes what is left.',
    isRepeatable: true,
    body: revokeUserRequestSchema,
    responses: { 200: { description: 'What was done.', schema: userRevocationSchema } },
  }),
  describeRoute({
    method: 'post',
    path: '/api/v1/connected_accounts:delete',
    operationId: 'deleteConnectedAccount',
    tag: 'Connected accounts',
    summary: 'Remove a connected account with its credential, and tell its authorization server',
    description: 'Give id, or connector and identifier. The account is gone whatever its authorization server says.',
    isRepeatable: true,
    body: deleteAccountRequestSchema,
    responses: { 200: { description: 'It is gone.', schema: revokedAccountSchema } },
  }),
  describeRoute({
    method: 'post',
    path: '/api/v1/mcp/instances/{instance_id}:rotate_url',
    operationId: 'rotateInstanceUrl',
    tag: 'Instances',
    summary: 'Give an instance a new URL; the old one is dead at once',
    responses: { 200: { description: 'The instance.', schema: z.object({ instance: instanceSchema }) } },
  }),
]
