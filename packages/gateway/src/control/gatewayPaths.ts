import { accessTokenResponseSchema } from '@latchkey/core/wire'
import * as z from 'zod'
import { describeRoute } from './openapi/describeRoute.ts'

const tokenRequestSchema = z.object({
  grant_type: z.literal('client_credentials'),
  client_id: z.string().optional().meta({ description: 'Not needed with Basic authentication.' }),
  client_secret: z.string().optional().meta({ description: 'Not needed with Basic authentication.' }),
})

/** What needs no access token. */
export const gatewayPaths = [
  describeRoute({
    method: 'post',
    path: '/oauth/token',
    operationId: 'getAccessToken',
    tag: 'Gateway',
    summary: 'Get an access token for the API',
    description: 'The client credentials grant (RFC 6749 section 4.4). The credentials may also be given as Basic.',
    isOpen: true,
    body: tokenRequestSchema,
    bodyType: 'application/x-www-form-urlencoded',
    responses: { 200: { description: 'A token that lasts for an hour.', schema: accessTokenResponseSchema } },
  }),
  describeRoute({
    method: 'get',
    path: '/keys',
    operationId: 'getKeys',
    tag: 'Gateway',
    summary: 'Get the public keys of session tokens',
    description: 'A JSON Web Key Set (RFC 7517).',
    isOpen: true,
    responses: {
      200: { description: 'The keys.', schema: z.object({ keys: z.array(z.record(z.string(), z.unknown())) }) },
    },
  }),
  describeRoute({
    method: 'get',
    path: '/openapi.json',
    operationId: 'getOpenApiDocument',
    tag: 'Gateway',
    summary: 'Get this document',
    isOpen: true,
    responses: { 200: { description: 'The document.', schema: z.record(z.string(), z.unknown()) } },
  }),
]
