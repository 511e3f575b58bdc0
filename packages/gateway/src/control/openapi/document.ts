import {
  accessTokenResponseSchema,
  configSchema,
  connectionAuthStateSchema,
  connectionToolMappingSchema,
  errorBodySchema,
  instanceSchema,
  sessionTokenSchema,
  statusEventSchema,
} from '@latchkey/core/wire'
import * as z from 'zod'
import {
  createDocument,
  type CreateDocumentOptions,
  type ZodOpenApiOperationObject,
  type ZodOpenApiParameters,
  type ZodOpenApiPathsObject,
  type ZodOpenApiResponsesObject,
} from 'zod-openapi'
import type { ResponseDescription, RouteDescription } from './describeRoute.ts'

/** What the document names once and refers to everywhere. */
const SCHEMAS = {
  AccessToken: accessTokenResponseSchema,
  Config: configSchema,
  ConnectionAuthState: connectionAuthStateSchema,
  ConnectionToolMapping: connectionToolMappingSchema,
  Error: errorBodySchema,
  Instance: instanceSchema,
  SessionToken: sessionTokenSchema,
  StatusEvent: statusEventSchema,
}

/** Also the headers of a request that may be repeated. */
export const IDEMPOTENCY_KEY = 'Idempotency-Key'

const idempotencyHeaders = z.object({
  [IDEMPOTENCY_KEY]: z.string().min(1).max(255).optional().meta({
    description:
      'A text of your own, up to 255 characters. A request that is repeated with the same key and the same body within 24 hours is not carried out again: it gets the first answer.',
  }),
})

/** Zod closes the objects that it gives; ours may have more fields one day, and a client has to tolerate that. */
const OPTIONS: CreateDocumentOptions = {
  override: ({ jsonSchema }) => {
    if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties
  },
}

/** The OpenAPI 3.1 document of these routes, from the schemas that check their requests. */
export function createOpenApiDocument(routes: readonly RouteDescription[]): ReturnType<typeof createDocument> {
  return createDocument(
    {
      openapi: '3.1.1',
      info: {
        title: 'Latchkey gateway: control plane',
        version: 'v1',
        description:
          'Issues a pre-authenticated MCP endpoint for each user, runs the consent, and keeps the credentials. Unknown fields are ignored in requests; clients must tolerate fields and statuses that they do not know.',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      servers: [{ url: '/', description: 'The gateway that serves this document' }],
      security: [{ accessToken: [] }],
      components: {
        schemas: SCHEMAS,
        securitySchemes: {
          accessToken: {
            type: 'oauth2',
            flows: { clientCredentials: { tokenUrl: '/oauth/token', scopes: {} } },
          },
        },
      },
      paths: toPaths(routes),
    },
    OPTIONS,
  )
}

function toPaths(routes: readonly RouteDescription[]): ZodOpenApiPathsObject {
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {}
  for (const route of routes) {
    const path = (paths[route.path] ??= {})
    path[route.method] = toOperation(route)
  }
  return paths
}

function toOperation(route: RouteDescription): ZodOpenApiOperationObject {
  const { operationId, tag, summary, description, body, bodyType = 'application/json', isOpen = false } = route
  return {
    operationId,
    tags: [tag],
    summary,
    ...(description !== undefined && { description }),
    ...(isOpen && { security: [] }),
    requestParams: parametersOf(route),
    ...(body !== undefined && {
      requestBody: { required: !body.safeParse({}).success, content: { [bodyType]: { schema: body } } },
    }),
    responses: toResponses(route.responses),
  }
}

function parametersOf({ path, query, headers, method, isOpen, isRepeatable }: RouteDescription): ZodOpenApiParameters {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name)
  const takesKey = method === 'post' && isOpen !== true && isRepeatable !== true
  const header = takesKey ? (headers?.extend(idempotencyHeaders.shape) ?? idempotencyHeaders) : headers
  return {
    ...(names.length > 0 && { path: z.object(Object.fromEntries(names.map((name) => [name, z.string()]))) }),
    ...(query !== undefined && { query }),
    ...(header !== undefined && { header }),
  }
}

function toResponses(responses: RouteDescription['responses']): ZodOpenApiResponsesObject {
  const told = Object.entries(responses).map(([status, response]) => [status, toResponse(response)])
  return { ...Object.fromEntries(told), default: ERROR }
}

const ERROR = {
  description: 'An error: what happened, and what to do about it.',
  content: { 'application/json': { schema: errorBodySchema } },
}

function toResponse({ description, schema, type = 'application/json' }: ResponseDescription) {
  return { description, ...(schema !== undefined && { content: { [type]: { schema } } }) }
}
