import * as z from 'zod'
import { readPrivateKey } from '../oauth/privateKeyJwt.ts'
import { Secret } from '../secret.ts'

/** What all parts of the schema are made of. */
interface Parts {
  readonly must: (be: string) => { error: (issue: { input?: unknown }) => string }
  readonly text: z.ZodString
  readonly secret: z.ZodType<Secret, string>
  readonly strict: <Shape extends z.ZodRawShape>(shape: Shape) => z.ZodObject<Shape, z.core.$strict>
  /** `https`, or `http` on a loopback address. */
  readonly endpoint: z.ZodType<string, string>
}

/** Parameters that are the protocol's own: who could set them could take PKCE or the state away. */
const RESERVED_PARAMETERS = new Set([
  'response_type',
  'response_mode',
  'client_id',
  'redirect_uri',
  'state',
  'scope',
  'resource',
  'code_challenge',
  'code_challenge_method',
  'request',
  'request_uri',
])

/** The options of a connection that authorizes with OAuth. */
export function createOAuth2Schema({ must, text, secret, strict, endpoint }: Parts) {
  const texts = must('a list of texts')
  const parameterName = text.refine(
    (name) => !RESERVED_PARAMETERS.has(name),
    'is a parameter that the gateway sets itself',
  )
  return strict({
    type: z.literal('oauth2'),
    scopes: z.array(text.regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, 'is not a scope'), texts).optional(),
    scopeSeparator: z.enum([' ', ','], must('" " or ","')).optional(),
    clientId: text.optional(),
    clientSecret: secret.optional(),
    privateKey: privateKey(must, text).optional(),
    keyId: text.optional(),
    tokenEndpointAuthMethod: z
      .enum(
        ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
        must('"client_secret_basic", "client_secret_post", "private_key_jwt" or "none"'),
      )
      .optional(),
    registration: z.enum(['document', 'dynamic'], must('"document" or "dynamic"')).optional(),
    // As it is written, with or without a slash at its end: issuers are compared as texts (RFC 9207).
    issuer: text.refine((value) => endpoint.safeParse(value).success, 'must be an https URL').optional(),
    authorizationEndpoint: endpoint.optional(),
    tokenEndpoint: endpoint.optional(),
    revocationEndpoint: endpoint.optional(),
    allowMissingPkceMetadata: z.boolean(must('true or false')).optional(),
    resource: text.refine((value) => endpoint.safeParse(value).success, 'must be an https URL').optional(),
    sendResource: z.boolean(must('true or false')).optional(),
    authorizationParameters: z.record(parameterName, text, must('an object of texts')).optional(),
    bearerTokenTypes: z.array(text.toLowerCase(), texts).optional(),
  }).superRefine((auth, context) => {
    for (const [key, message] of contradictions(auth)) context.addIssue({ code: 'custom', path: [key], message })
  })
}

interface Given {
  readonly clientId?: string | undefined
  readonly clientSecret?: Secret | undefined
  readonly privateKey?: Secret | undefined
  readonly tokenEndpointAuthMethod?: string | undefined
  readonly authorizationEndpoint?: string | undefined
  readonly tokenEndpoint?: string | undefined
  readonly revocationEndpoint?: string | undefined
  readonly allowMissingPkceMetadata?: boolean | undefined
}

/** What does not go together, each under the key to change. */
function contradictions(auth: Given): [keyof Given, string][] {
  const problems: [keyof Given, string][] = []
  const { clientId, clientSecret, privateKey: key, tokenEndpointAuthMethod: method } = auth
  const missing = (name: keyof Given, because: string) => problems.push([name, `is missing, but there is ${because}`])
  if (clientId === undefined && clientSecret !== undefined) missing('clientId', 'a clientSecret')
  if (clientId === undefined && key !== undefined) missing('clientId', 'a privateKey')
  if (key !== undefined && clientSecret !== undefined) problems.push(['clientSecret', 'is there beside a privateKey'])
  if (method === 'private_key_jwt' && key === undefined) missing('privateKey', 'the method "private_key_jwt"')
  if (method !== undefined && method !== 'private_key_jwt' && key !== undefined) {
    problems.push(['tokenEndpointAuthMethod', 'must be "private_key_jwt", because there is a privateKey'])
  }
  if (method?.startsWith('client_secret') && clientSecret === undefined)
    missing('clientSecret', `the method "${method}"`)
  problems.push(...endpointProblems(auth))
  return problems
}

function endpointProblems(auth: Given): [keyof Given, string][] {
  const { authorizationEndpoint, tokenEndpoint, revocationEndpoint, clientId, allowMissingPkceMetadata } = auth
  if (authorizationEndpoint === undefined && tokenEndpoint === undefined) {
    return revocationEndpoint === undefined
      ? []
      : [['revocationEndpoint', 'needs an authorizationEndpoint and a tokenEndpoint']]
  }
  if (tokenEndpoint === undefined) return [['tokenEndpoint', 'is missing, but there is an authorizationEndpoint']]
  if (authorizationEndpoint === undefined) {
    return [['authorizationEndpoint', 'is missing, but there is a tokenEndpoint']]
  }
  const problems: [keyof Given, string][] = []
  if (clientId === undefined) problems.push(['clientId', 'is missing: a provider without metadata registers nobody'])
  if (allowMissingPkceMetadata !== true) {
    problems.push([
      'allowMissingPkceMetadata',
      'must be true where the endpoints are given: nothing then says that the provider knows PKCE (S256 is sent in any case)',
    ])
  }
  return problems
}

function privateKey(must: Parts['must'], text: Parts['text']) {
  return z
    .union([text, z.record(z.string(), z.unknown())], must('a JWK or PEM'))
    .transform((value) => new Secret(typeof value === 'string' ? value : JSON.stringify(value)))
    .superRefine((value, context) => {
      try {
        readPrivateKey(value)
      } catch (error) {
        context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : 'is not a private key' })
      }
    })
}
