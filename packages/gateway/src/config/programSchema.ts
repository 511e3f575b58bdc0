import * as z from 'zod'
import type { Secret } from '../secret.ts'

/** What all parts of the schema are made of. */
interface Parts {
  readonly must: (be: string) => { error: (issue: { input?: unknown }) => string }
  readonly text: z.ZodString
  readonly secret: z.ZodType<Secret, string>
}

/**
 * Variables by which whoever sets them has something run: who types in a credential must not. What the operator writes into
 * `env` may be any.
 */
const DECIDING_VARIABLES = new RegExp(
  `^(?:${[
    'PATH(?:EXT)?|HOME|SHELL|COMSPEC|IFS|ENV|BASH_ENV',
    'LD_.*|DYLD_.*',
    'NODE_OPTIONS|NODE_PATH|NPM_CONFIG_.*',
    'PYTHON[A-Z]*|PERL5(?:OPT|LIB|DB)|RUBY(?:OPT|LIB)',
    'JAVA_TOOL_OPTIONS|JDK_JAVA_OPTIONS|_JAVA_OPTIONS',
    'GIT_(?:SSH.*|EXEC_PATH|ASKPASS|EDITOR|PAGER|CONFIG.*|EXTERNAL_DIFF|PROXY_COMMAND|TEMPLATE_DIR)',
  ].join('|')})$`,
  'i',
)

/** The keys of a connection whose upstream is a program, as MCP clients spell them in `mcpServers`. */
export function createProgramSchema({ must, text, secret }: Parts) {
  const name = text.regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'is not the name of an environment variable')
  return {
    variable: name.refine(
      (value) => !DECIDING_VARIABLES.test(value),
      'is a variable that decides what is run, so it cannot carry a credential',
    ),
    shape: {
      command: text.refine(noNul, 'has a character that no program takes').optional(),
      args: z
        .array(z.string(must('a text')).refine(noNul, 'has a character that no program takes'), must('a list of texts'))
        .optional(),
      env: z.record(name, secret, must('an object of texts')).optional(),
      cwd: text.optional(),
    },
  }
}

function noNul(value: string): boolean {
  return !value.includes('\0')
}

/** A connection, as far as this has to be looked at as a whole. */
interface Given {
  readonly preset?: string | undefined
  readonly mcpServerUrl?: string | undefined
  readonly command?: string | undefined
  readonly args?: unknown
  readonly env?: Readonly<Record<string, unknown>> | undefined
  readonly cwd?: unknown
  readonly auth: { readonly type: string } & Places & {
      readonly usernameVariable?: string | undefined
      readonly passwordVariable?: string | undefined
      readonly fields?: readonly Places[] | undefined
    }
}

interface Places {
  readonly header?: string | undefined
  readonly query?: string | undefined
  readonly variable?: string | undefined
}

interface Problem {
  readonly path: readonly (string | number)[]
  readonly message: string
}

/** What is wrong between the keys of a connection: it has a server at a URL, or a program, and each takes credentials in its way. */
export function upstreamProblems(given: Given): readonly Problem[] {
  if (given.command === undefined) return serverProblems(given)
  if (given.preset !== undefined) {
    return [{ path: ['preset'], message: 'is there beside a command: presets are for servers at a URL' }]
  }
  const twice = { path: ['mcpServerUrl'], message: 'is there beside a command: a connection has one or the other' }
  return [...(given.mcpServerUrl === undefined ? [] : [twice]), ...programProblems(given)]
}

function serverProblems({ mcpServerUrl, auth, ...given }: Given): readonly Problem[] {
  const missing = mcpServerUrl === undefined ? [{ path: ['mcpServerUrl'], message: 'is missing' }] : []
  const ofPrograms = (['args', 'env', 'cwd'] as const).filter((key) => given[key] !== undefined)
  return [
    ...missing,
    ...ofPrograms.map((key) => ({ path: [key], message: 'is for programs: name a command' })),
    ...variablesOf(auth).map(({ path }) => ({
      path,
      message: 'is for programs: a server at a URL is sent no environment variable',
    })),
  ]
}

const NO_OAUTH =
  'cannot be "oauth2" for a program: it gets its token when it starts, and never a renewed one. ' +
  'Let users type in a token of their own, with "bearer" or "api_key"'

function programProblems({ env = {}, auth }: Given): readonly Problem[] {
  if (auth.type === 'oauth2') return [{ path: ['auth', 'type'], message: NO_OAUTH }]
  const variables = variablesOf(auth)
  const names = variables.map(({ name }) => name)
  return [
    ...missingVariables(auth),
    ...placesOf(auth).flatMap(({ at, place }) =>
      (['header', 'query'] as const)
        .filter((key) => place[key] !== undefined)
        .map((key) => ({ path: [...at, key], message: 'is for servers at a URL: name a variable for a program' })),
    ),
    ...variables.flatMap(({ path, name }, index) => {
      if (names.indexOf(name) < index) return [{ path, message: 'repeats another one' }]
      return Object.hasOwn(env, name) ? [{ path, message: 'is set in env too' }] : []
    }),
  ]
}

function missingVariables({ type, variable, usernameVariable, passwordVariable }: Given['auth']): Problem[] {
  const wanted = {
    ...(type === 'bearer' && { variable }),
    ...(type === 'basic' && { usernameVariable, passwordVariable }),
  }
  return Object.entries(wanted).flatMap(([key, value]) =>
    value === undefined
      ? [{ path: ['auth', key], message: 'is missing: the variable in which the program looks for it' }]
      : [],
  )
}

function placesOf(auth: Given['auth']): { at: (string | number)[]; place: Places }[] {
  const fields = auth.fields ?? []
  return [{ at: ['auth'], place: auth }, ...fields.map((place, index) => ({ at: ['auth', 'fields', index], place }))]
}

function variablesOf(auth: Given['auth']): { path: (string | number)[]; name: string }[] {
  const { usernameVariable, passwordVariable } = auth
  const all = [
    ...placesOf(auth).map(({ at, place }) => ({ path: [...at, 'variable'], name: place.variable })),
    { path: ['auth', 'usernameVariable'], name: usernameVariable },
    { path: ['auth', 'passwordVariable'], name: passwordVariable },
  ]
  return all.flatMap(({ path, name }) => (name === undefined ? [] : [{ path, name }]))
}
