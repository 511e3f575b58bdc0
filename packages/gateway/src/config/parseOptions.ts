import { resolve } from 'node:path'
import type * as z from 'zod'
import type { ApiClient, Connection, Program, ToolNames } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { neverFailing, type LogSink } from '../http/requestLog.ts'
import { Secret } from '../secret.ts'
import type { Clock } from '../services.ts'
import type { DatabaseLocation } from '../store/openStore.ts'
import type { KeyManagement } from '../vault/keyManagement.ts'
import { isLoopback } from './isLoopback.ts'
import { DEFAULT_RATE_LIMITS, NO_RATE_LIMITS, type RateLimit, type RateLimitSettings } from '../limits/rateLimits.ts'
import type { TrustedProxies } from '../http/clientAddress.ts'
import { connectionNameSchema, connectionSchema, optionsSchema, type TelemetrySettings } from './optionsSchema.ts'
import { programAddress } from './programAddress.ts'
import { isPlainObject, resolveEnvironment, type Environment, type Problem } from './resolveEnvironment.ts'
import { withPreset } from './presets.ts'
import { suggest } from './suggest.ts'
import type { UserVerification } from './verifyUrls.ts'

const DAY_MS = 24 * 60 * 60 * 1000

/** The options of a gateway, checked and complete. */
export interface ParsedOptions {
  readonly publicUrl: URL
  /** Whether the public URL is a loopback address. */
  readonly isLoopback: boolean
  readonly database: DatabaseLocation
  readonly clients: readonly ApiClient[]
  /** Undefined: users are not verified. */
  readonly userVerification: UserVerification | undefined
  readonly connections: readonly ConnectionDefinition[]
  readonly configs: readonly ConfigDefinition[]
  readonly webhooks: readonly { readonly url: string; readonly secret: Secret }[]
  readonly encryptionKeys: Secret | undefined
  readonly signingKeys: Secret | undefined
  readonly keyManagement: KeyManagement | undefined
  readonly trustedProxies: TrustedProxies | undefined
  readonly rateLimits: RateLimitSettings
  /** Undefined: for ever. */
  readonly auditRetentionMs: number | undefined
  readonly telemetry: TelemetrySettings
  readonly remoteAddress: ((request: Request) => string | undefined) | undefined
  readonly clock: Clock
  readonly log: LogSink
}

/** A connection of the configuration; the store gives it its id. */
export type ConnectionDefinition = Omit<Connection, 'id'>

/** An MCP config of the configuration; the store gives it its id. */
export interface ConfigDefinition {
  readonly name: string
  readonly mappings: readonly { readonly connectionName: string; readonly tools: readonly string[] | undefined }[]
  readonly toolNames?: ToolNames | undefined
}

export interface ParseOptionsContext {
  /** Where `{ "env": … }` and the keys are looked up. Default: `process.env`. */
  readonly environment?: Environment
  /** What a relative database path starts from. Default: the working directory. */
  readonly directory?: string
}

/**
 * Checks what `createGateway` or a configuration file gives.
 *
 * @throws GatewayError `configuration`, which lists everything that is wrong at once, each with its key:
 * `connections.mail.auth.scope: unknown key, did you mean "scopes"?`. No value is in it that may be a secret.
 */
export function parseOptions(
  options: unknown,
  { environment = process.env, directory = process.cwd() }: ParseOptionsContext = {},
): ParsedOptions {
  const missing: Problem[] = []
  const resolved = withPresets(resolveEnvironment(withKeysOfEnvironment(options, environment), environment, missing))
  const { data, error } = optionsSchema.safeParse(resolved)
  const problems = [
    ...missing,
    ...unlessMissing(missing, problemsOf(error)),
    ...unknownConnections(resolved),
    ...undecided(resolved),
    ...programsInPublic(resolved),
  ]
  if (data === undefined || problems.length > 0) throw configurationError(problems)
  return Object.freeze(complete(data, directory))
}

function withKeysOfEnvironment(options: unknown, environment: Environment): unknown {
  if (!isPlainObject(options)) return options
  return {
    ...options,
    encryptionKeys: options.encryptionKeys ?? (environment.LATCHKEY_ENCRYPTION_KEYS || undefined),
    signingKeys: options.signingKeys ?? (environment.LATCHKEY_SIGNING_KEYS || undefined),
  }
}

function withPresets(options: unknown): unknown {
  if (!isPlainObject(options) || !isPlainObject(options.connections)) return options
  const connections = Object.entries(options.connections).map(([name, given]) => [name, withPreset(given)])
  return { ...options, connections: Object.fromEntries(connections) }
}

/** An unset variable is one problem, not also a missing key. */
function unlessMissing(missing: readonly Problem[], problems: readonly Problem[]): Problem[] {
  const paths = new Set(missing.map(({ path }) => formatPath(path)))
  return problems.filter(({ path }) => !paths.has(formatPath(path)))
}

function problemsOf(error: z.ZodError | undefined): Problem[] {
  return (error?.issues ?? []).flatMap(problemsOfIssue)
}

function problemsOfIssue(issue: z.core.$ZodIssue): Problem[] {
  const { path, message } = issue
  if (issue.code === 'unrecognized_keys') {
    const messages = message.split('\n')
    return issue.keys.map((key, index) => ({ path: [...path, key], message: messages[index] ?? message }))
  }
  if (issue.code === 'invalid_key') return issue.issues.map((inner) => ({ path, message: inner.message }))
  if (issue.code === 'invalid_union' && issue.discriminator !== undefined) {
    return [{ path: path.at(-1) === issue.discriminator ? path : [...path, issue.discriminator], message }]
  }
  if (issue.code !== 'invalid_union') return [{ path, message }]
  const within = problemsWithin(issue)
  return within.length > 0 ? within : [{ path, message }]
}

/** The alternatives are "*" and a list: what is wrong within a list is told about the list. */
function problemsWithin({ errors, path }: z.core.$ZodIssueInvalidUnion): Problem[] {
  return errors
    .flat()
    .filter((inner) => inner.code === 'custom' || inner.code === 'too_small' || inner.path.length > 0)
    .map((inner) => ({ path: [...path, ...inner.path], message: inner.message }))
}

/** Looked for in what was given, so that it is told together with all other problems. */
function unknownConnections(options: unknown): Problem[] {
  if (!isPlainObject(options) || !isPlainObject(options.connections) || !isPlainObject(options.configs)) return []
  const known = Object.keys(options.connections)
  return Object.entries(options.configs).flatMap(([name, config]) =>
    Object.keys(isPlainObject(config) ? config : {})
      .filter((connection) => connection !== 'toolNames' && !known.includes(connection))
      .map((connection) => ({ path: ['configs', name, connection], message: unknownConnection(connection, known) })),
  )
}

/** Whether users are verified is never left to chance where strangers can come (security T20). */
function undecided(options: unknown): Problem[] {
  if (!isPlainObject(options) || options.userVerification !== undefined || !isPublic(options)) return []
  const message =
    'is missing: whoever gets a link could connect an account for somebody else. Write ' +
    '{ "url": "https://your-app.example/latchkey/callback" }, where your app verifies its user, or "off"'
  return [{ path: ['userVerification'], message }]
}

/** What is no public URL at all is told by itself. */
function isPublic(options: Record<string, unknown>): boolean {
  const publicUrl = typeof options.publicUrl === 'string' ? URL.parse(options.publicUrl) : null
  return publicUrl?.protocol === 'https:' && publicUrl.href === `${publicUrl.origin}/` && !isLoopback(publicUrl)
}

/** Programs run as the gateway's own user, beside its keys and its database: for whoever sits at the machine only. */
function programsInPublic(options: unknown): Problem[] {
  if (!isPlainObject(options) || !isPlainObject(options.connections) || !isPublic(options)) return []
  return Object.entries(options.connections).flatMap(([name, connection]) =>
    isPlainObject(connection) && connection.command !== undefined
      ? [{ path: ['connections', name, 'command'], message: NOT_IN_PUBLIC }]
      : [],
  )
}

const NOT_IN_PUBLIC =
  'programs are for development on a loopback publicUrl only: they run as the same user as the gateway, one for each ' +
  'account. Let the program serve Streamable HTTP, and name its mcpServerUrl'

function unknownConnection(name: string, known: readonly string[]): string {
  const meant = suggest(name, known)
  const hint = meant === undefined ? '' : `, did you mean "${meant}"?`
  return `there is no such connection${hint} (the known ones are ${known.join(', ') || 'none'})`
}

function configurationError(problems: readonly Problem[]): GatewayError {
  const lines = problems.map(({ path, message }) => `  ${formatPath(path) || 'the configuration'}: ${message}`)
  return new GatewayError('configuration', `The configuration is not valid:\n${lines.join('\n')}`)
}

function formatPath(path: readonly PropertyKey[]): string {
  return path
    .map((key, index) => (typeof key === 'number' ? `[${key}]` : `${index > 0 ? '.' : ''}${String(key)}`))
    .join('')
}

function complete(options: z.infer<typeof optionsSchema>, directory: string): ParsedOptions {
  return {
    publicUrl: options.publicUrl,
    isLoopback: isLoopback(options.publicUrl),
    database: databaseLocation(options.database, directory),
    clients: options.clients.map(({ clientId, clientSecret, displayName = clientId }) => ({
      clientId,
      clientSecret,
      displayName,
    })),
    userVerification: userVerification(options),
    connections: Object.entries(options.connections).map(([name, connection]) =>
      toDefinition(name, connection, directory),
    ),
    configs: Object.entries(options.configs).map(([name, config]) => ({ name, ...config })),
    webhooks: options.webhooks,
    encryptionKeys: options.encryptionKeys,
    signingKeys: options.signingKeys,
    keyManagement: options.keyManagement,
    trustedProxies: options.trustedProxies,
    rateLimits: rateLimits(options),
    auditRetentionMs: options.audit.retentionDays === 'forever' ? undefined : options.audit.retentionDays * DAY_MS,
    telemetry: options.telemetry,
    remoteAddress: options.remoteAddress,
    clock: options.clock,
    log: neverFailing(options.log),
  }
}

function toDefinition(
  name: string,
  connection: z.infer<typeof connectionSchema>,
  directory: string,
): ConnectionDefinition {
  const { displayName = name, provider = name, mcpServerUrl = '', pinTools, auth } = connection
  const common = { name, displayName, provider, ...(pinTools !== undefined && { pinTools }), auth }
  const program = programOf(connection, directory)
  return program === undefined
    ? { ...common, mcpServerUrl }
    : { ...common, mcpServerUrl: programAddress(program), program }
}

/** What it names with a relative path is looked for from the same place as the database. */
function programOf(
  { command, args = [], env = {}, cwd = '.' }: z.infer<typeof connectionSchema>,
  directory: string,
): Program | undefined {
  return command === undefined ? undefined : { command, args, cwd: resolve(directory, cwd), env }
}

/**
 * Checks a connection that is not from the configuration: what is not a text is not looked up anywhere.
 *
 * @throws GatewayError `invalid_request`, which lists everything that is wrong. `spell` writes a key as the caller knows it.
 */
export function parseConnection(
  name: string,
  given: unknown,
  spell: (key: string) => string = (key) => key,
): ConnectionDefinition {
  if (isPlainObject(given) && given.command !== undefined) throw notOverTheApi(spell)
  const parsedName = connectionNameSchema.safeParse(name)
  const { data, error } = connectionSchema.safeParse(withPreset(given))
  const problems = [
    ...problemsOf(parsedName.error).map(({ message }) => ({ path: ['name'], message })),
    ...problemsOf(error),
  ]
  if (data !== undefined && problems.length === 0) return toDefinition(name, data, '')
  const lines = problems.map(({ path, message }) => {
    const spelled = path.map((key) => (typeof key === 'string' ? spell(key) : key))
    return `${formatPath(spelled) || 'the body'}: ${message}`
  })
  throw new GatewayError('invalid_request', lines.join('; '))
}

/** Whoever may call the API must not start programs on the gateway's machine. */
function notOverTheApi(spell: (key: string) => string): GatewayError {
  return new GatewayError('invalid_request', `${spell('command')}: no program is named over the API`)
}

function databaseLocation(database: string, directory: string): DatabaseLocation {
  if (!database.startsWith('sqlite:')) return { kind: 'postgres', url: new Secret(database) }
  const path = database.slice('sqlite:'.length)
  return { kind: 'sqlite', path: path === ':memory:' ? path : resolve(directory, path) }
}

function userVerification({ userVerification: given }: z.infer<typeof optionsSchema>): UserVerification | undefined {
  if (given === undefined || given === 'off') return undefined
  const { url, allowedOrigins } = given
  return { url: url.href, allowedOrigins: [...new Set([url.origin, ...allowedOrigins])] }
}

/** On a loopback address only the machine's own user can ask, and shares the one address with everybody. */
function rateLimits({ rateLimits: given = {}, publicUrl }: z.infer<typeof optionsSchema>): RateLimitSettings {
  if (given === 'off') return NO_RATE_LIMITS
  const defaults = isLoopback(publicUrl) ? NO_RATE_LIMITS : DEFAULT_RATE_LIMITS
  return {
    address: limitOf(given.address, defaults.address),
    failure: limitOf(given.failure, defaults.failure),
    client: limitOf(given.client, defaults.client),
    user: limitOf(given.user, defaults.user),
    credential: limitOf(given.credential, defaults.credential),
  }
}

function limitOf(given: RateLimit | 'off' | undefined, fallback: RateLimit | undefined): RateLimit | undefined {
  return given === 'off' ? undefined : (given ?? fallback)
}
