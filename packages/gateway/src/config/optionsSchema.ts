import type { MeterProvider, TracerProvider } from '@opentelemetry/api'
import * as z from 'zod'
import { parseRange, type TrustedProxies } from '../http/clientAddress.ts'
import { NO_LOG, type LogSink } from '../http/requestLog.ts'
import { Secret } from '../secret.ts'
import type { Clock } from '../services.ts'
import type { KeyManagement, KeyManagementService } from '../vault/keyManagement.ts'
import { createApiKeySchema } from './apiKeySchema.ts'
import { isLoopback } from './isLoopback.ts'
import { createOAuth2Schema } from './oauth2Schema.ts'
import { presetNamed, presetNames } from './presets.ts'
import { createProgramSchema, upstreamProblems } from './programSchema.ts'
import { toolNameConflict } from '../toolNameConflict.ts'
import { suggest } from './suggest.ts'

/** What to say about a value of the wrong type. */
function must(be: string) {
  return { error: ({ input }: { input?: unknown }) => (input === undefined ? 'is missing' : `must be ${be}`) }
}

const text = z.string(must('a text')).min(1, 'is empty')
const secret = text.transform((value) => new Secret(value))

/** An object that takes these keys and no others. Each unknown key is one line of the issue's message. */
function strict<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((key) => unknownKey(key, Object.keys(shape))).join('\n')
        : must('an object').error(issue),
  })
}

function unknownKey(key: string, known: readonly string[]): string {
  const meant = suggest(key, known)
  return `unknown key, ${meant === undefined ? `the known ones are ${known.join(', ')}` : `did you mean "${meant}"?`}`
}

const url = text.refine((value) => URL.canParse(value), 'is not a URL').transform((value) => new URL(value))

const publicUrl = url
  .refine((value) => value.protocol === 'https:' || (value.protocol === 'http:' && isLoopback(value)), {
    error: 'must be https (http is for loopback addresses, such as http://127.0.0.1:8787)',
  })
  .refine((value) => value.href === `${value.origin}/`, 'must be an origin: no path, query, fragment or credentials')

const mcpServerUrl = url
  .refine((value) => value.protocol === 'https:' || (value.protocol === 'http:' && isLoopback(value)), {
    error: 'must be https (http is for loopback addresses)',
  })
  .refine((value) => value.username === '' && value.password === '', 'must not hold credentials')
  .refine((value) => value.hash === '', 'must not have a fragment')
  .transform((value) => value.href)

const oauth2 = createOAuth2Schema({ must, text, secret, strict, endpoint: mcpServerUrl })

/** Headers that belong to the gateway or to HTTP itself. */
const RESERVED_HEADERS = /^(?:host|connection|content-.*|transfer-encoding|te|upgrade|accept|cookie|mcp-.*)$/i

const header = text
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'is not a header name')
  .refine((value) => !RESERVED_HEADERS.test(value), 'is a header that cannot carry a key')

const { variable, shape: programShape } = createProgramSchema({ must, text, secret })

const auth = z.discriminatedUnion(
  'type',
  [
    oauth2,
    createApiKeySchema({ must, text, strict, header, variable }),
    strict({ type: z.literal('bearer'), variable: variable.optional() }),
    strict({
      type: z.literal('basic'),
      usernameVariable: variable.optional(),
      passwordVariable: variable.optional(),
    }),
    strict({ type: z.literal('none') }),
  ],
  { error: 'must be "oauth2", "api_key", "bearer", "basic" or "none"' },
)

/** `__` divides the connection from the tool in a tool's name, so no connection has it in its own. */
const CONNECTION_NAME = /^[a-z0-9](?:[a-z0-9-]|_(?!_)){0,31}$/

export const connectionNameSchema = z
  .string()
  .regex(
    CONNECTION_NAME,
    'is not a connection name: up to 32 of a-z, 0-9, "-" and "_", not two "_" in a row, not beginning with "-" or "_"',
  )
  .refine((value) => value !== 'env', 'is reserved')

export const connectionSchema = strict({
  // What it knows is filled in before this is checked.
  preset: z
    .string(must('a text'))
    .superRefine((name, context) => {
      if (presetNames.includes(name)) return
      const meant = suggest(name, presetNames)
      const hint = meant === undefined ? `the known ones are ${presetNames.join(', ')}` : `did you mean "${meant}"?`
      context.addIssue({ code: 'custom', message: `there is no such preset, ${hint}` })
    })
    .optional(),
  displayName: text.max(100, 'is longer than 100 characters').optional(),
  provider: text.max(100, 'is longer than 100 characters').optional(),
  mcpServerUrl: mcpServerUrl.optional(),
  ...programShape,
  pinTools: z.boolean(must('true or false')).optional(),
  auth,
}).superRefine((connection, context) => {
  for (const { path, message } of upstreamProblems(connection)) {
    context.addIssue({ code: 'custom', path: [...path], message })
  }
  const { preset, mcpServerUrl: server, auth: given } = connection
  const path = ['auth', 'clientId']
  if (given.type !== 'oauth2' || server === undefined) return
  const { clientId, resource } = given
  if (clientId === undefined && presetNamed(preset)?.needsClient === true) {
    const message = `is missing: "${preset}" takes only clients that are registered with it in advance`
    context.addIssue({ code: 'custom', path, message })
  }
  if (resource !== undefined && new URL(resource).origin !== new URL(server).origin) {
    context.addIssue({ code: 'custom', path: ['auth', 'resource'], message: 'is not on the host of the mcpServerUrl' })
  }
})

const tools = z
  .array(text, must('"*" or a list of tool names'))
  .min(1, 'is empty: write "*" for all tools, or leave the connection out')
  .superRefine((names, context) => {
    for (const [index, name] of names.entries()) {
      if (names.indexOf(name) < index) context.addIssue({ code: 'custom', path: [index], message: `repeats "${name}"` })
    }
  })

const config = z
  .object(
    // No connection has this name: theirs are in lower case.
    { toolNames: z.enum(['plain', 'prefixed'], must('"plain" or "prefixed"')).optional() },
    must('an object'),
  )
  .catchall(z.union([z.literal('*'), tools], must('"*" or a list of tool names')))
  .transform(({ toolNames, ...mappings }) => ({
    toolNames,
    mappings: Object.entries(mappings).map(([connectionName, allowed]) => ({
      connectionName,
      tools: allowed === '*' ? undefined : allowed,
    })),
  }))
  .superRefine(({ toolNames, mappings }, context) => {
    const message = mappings.length === 0 ? 'names no connection' : toolNameConflict(toolNames, mappings)
    if (message !== undefined) context.addIssue({ code: 'custom', message })
  })

const client = strict({
  clientId: text.max(255, 'is longer than 255 characters').regex(/^[\x21-\x7e]+$/, 'has characters other than ASCII'),
  clientSecret: secret,
  displayName: text.max(100, 'is longer than 100 characters').optional(),
})

const clients = z
  .array(client, must('a list'))
  .min(1, 'is empty: without a client nobody can use the control plane')
  .superRefine((value, context) => {
    for (const [index, { clientId }] of value.entries()) {
      if (value.findIndex((other) => other.clientId === clientId) === index) continue
      context.addIssue({ code: 'custom', path: [index, 'clientId'], message: `repeats "${clientId}"` })
    }
  })

/** Where the browser goes after the consent, and what the gateway calls back. */
const verifyUrl = url
  .refine((value) => value.protocol === 'https:' || (value.protocol === 'http:' && isLoopback(value)), {
    error: 'must be https (http is for loopback addresses)',
  })
  .refine((value) => value.username === '' && value.password === '', 'must not hold credentials')
  .refine((value) => value.hash === '', 'must not have a fragment')

const origin = verifyUrl
  .refine((value) => value.href === `${value.origin}/`, 'must be an origin: no path, query or fragment')
  .transform((value) => value.origin)

const userVerification = z.union(
  [
    z.literal('off'),
    strict({
      url: verifyUrl.transform((value) => ({ href: value.href, origin: value.origin })),
      allowedOrigins: z.array(origin, must('a list of origins')).default([]),
    }),
  ],
  { error: 'must be "off" or an object with the url at which your app verifies its user' },
)

const configName = z.string().min(1, 'is empty').max(100, 'is longer than 100 characters')

/** A URL that cannot be parsed would be shown, password and all, by whoever tries to. */
const database = text.refine((value) => /^sqlite:./.test(value) || isPostgresUrl(value), {
  error: 'must be "sqlite:PATH", "sqlite::memory:" or a URL that begins with "postgres://"',
})

function isPostgresUrl(value: string): boolean {
  return /^postgres(?:ql)?:\/\//.test(value) && URL.canParse(value)
}

/** Standard Webhooks: `whsec_` and 24 to 64 bytes in base64. */
function isSigningSecret(value: string): boolean {
  const [, encoded] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(value) ?? []
  if (encoded === undefined || encoded.length % 4 !== 0) return false
  const { length } = Buffer.from(encoded, 'base64')
  return length >= 24 && length <= 64
}

const webhook = strict({
  url: mcpServerUrl,
  secret: text
    .refine(isSigningSecret, 'must be "whsec_" and 24 to 64 random bytes in base64')
    .transform((value) => new Secret(value)),
})

const webhooks = z.array(webhook, must('a list')).superRefine((value, context) => {
  for (const [index, { url: webhookUrl }] of value.entries()) {
    if (value.findIndex((other) => other.url === webhookUrl) === index) continue
    context.addIssue({ code: 'custom', path: [index, 'url'], message: 'repeats another one' })
  }
})

const awsKms = strict({
  type: z.literal('aws-kms', 'must be "aws-kms", or the whole an object with the methods encrypt and decrypt'),
  keyId: text.max(2_048, 'is longer than 2048 characters'),
  region: text.regex(/^[a-z0-9-]+$/, 'is not a region').optional(),
  endpoint: url
    .refine((value) => value.protocol === 'https:' || (value.protocol === 'http:' && isLoopback(value)), {
      error: 'must be https (http is for loopback addresses)',
    })
    .transform((value) => value.href)
    .optional(),
})

/** No union: of one that fails, Zod tells what every alternative has against the value. */
const keyManagement = z.unknown().transform((value, context): KeyManagement => {
  if (isKeyManagementService(value)) return value
  const { data, error } = awsKms.safeParse(value)
  if (data !== undefined) return data
  for (const issue of error.issues) {
    const keys = issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : []
    context.addIssue({ code: 'custom', path: [...issue.path, ...keys], message: issue.message.split('\n')[0] ?? '' })
  }
  return z.NEVER
})

function isKeyManagementService(value: unknown): value is KeyManagementService {
  if (typeof value !== 'object' || value === null) return false
  return ['encrypt', 'decrypt'].every((name) => name in value && typeof Reflect.get(value, name) === 'function')
}

const ipRange = text.refine(isIpRange, 'is not an IP address or a range such as 10.0.0.0/8')

function isIpRange(value: string): boolean {
  try {
    return parseRange(value).length === 2
  } catch {
    return false
  }
}

const trustedProxies = z
  .union(
    [
      z.array(ipRange, must('a list')),
      strict({
        addresses: z.array(ipRange, must('a list')),
        header: z.enum(['X-Forwarded-For', 'Forwarded']).default('X-Forwarded-For'),
      }),
    ],
    must('a list of IP addresses and ranges'),
  )
  .transform((value): TrustedProxies =>
    'addresses' in value
      ? { addresses: value.addresses, header: value.header === 'Forwarded' ? 'forwarded' : 'x-forwarded-for' }
      : { addresses: value, header: 'x-forwarded-for' },
  )

const positive = z.int(must('a whole number')).positive('must be more than 0')
const rateLimit = z.union([z.literal('off'), strict({ requests: positive, seconds: positive })], {
  error: 'must be "off" or an object with "requests" and "seconds"',
})
const rateLimits = z.union(
  [
    z.literal('off'),
    strict({
      address: rateLimit.optional(),
      failure: rateLimit.optional(),
      client: rateLimit.optional(),
      user: rateLimit.optional(),
      credential: rateLimit.optional(),
    }),
  ],
  { error: 'must be "off" or an object with the limits' },
)

const audit = strict({
  retentionDays: z.union([z.literal('forever'), positive], must('a number of days, or "forever"')).default(90),
})

const collector = url
  .refine((value) => /^https?:$/.test(value.protocol), 'must be http or https')
  .transform((value) => value.href)
const telemetry = strict({
  otlp: z
    .union(
      [
        z.literal('environment'),
        collector,
        strict({ endpoint: collector, headers: z.record(z.string(), secret, must('an object')).default({}) }),
      ],
      { error: 'must be a URL, "environment", or an object with the endpoint' },
    )
    .transform((value) =>
      value === 'environment' || typeof value === 'object' ? value : { endpoint: value, headers: {} },
    )
    .optional(),
  prometheus: z.boolean(must('true or false')).default(false),
  trustTraceContext: z.boolean(must('true or false')).default(false),
  propagateTraceContext: z.boolean(must('true or false')).default(false),
  tracerProvider: z.custom<TracerProvider>((value) => typeof value === 'object', must('a TracerProvider')).optional(),
  meterProvider: z.custom<MeterProvider>((value) => typeof value === 'object', must('a MeterProvider')).optional(),
})

export type TelemetrySettings = z.output<typeof telemetry>

/** The configuration, after references to the environment have been replaced. */
export const optionsSchema = strict({
  publicUrl,
  database: database.default('sqlite:./latchkey.db'),
  clients,
  userVerification: userVerification.optional(),
  connections: z.record(connectionNameSchema, connectionSchema, must('an object')),
  configs: z.record(configName, config, must('an object')).default({}),
  webhooks: webhooks.default([]),
  encryptionKeys: secret.optional(),
  signingKeys: secret.optional(),
  keyManagement: keyManagement.optional(),
  trustedProxies: trustedProxies.optional(),
  rateLimits: rateLimits.optional(),
  audit: audit.default({ retentionDays: 90 }),
  telemetry: telemetry.default(telemetry.parse({})),
  remoteAddress: z
    .custom<(request: Request) => string | undefined>((value) => typeof value === 'function', must('a function'))
    .optional(),
  clock: z.custom<Clock>((value) => typeof value === 'function', must('a function')).default(() => Date.now),
  log: z.custom<LogSink>((value) => typeof value === 'function', must('a function')).default(() => NO_LOG),
})
