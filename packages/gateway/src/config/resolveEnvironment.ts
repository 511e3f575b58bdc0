/** What is wrong with one value of the configuration, and where. */
export interface Problem {
  readonly path: readonly PropertyKey[]
  readonly message: string
}

export type Environment = Readonly<Record<string, string | undefined>>

/** A copy in which every `{ "env": "NAME" }` is the value of that variable. What is missing is added to `problems`. */
export function resolveEnvironment(
  value: unknown,
  environment: Environment,
  problems: Problem[],
  path: readonly PropertyKey[] = [],
): unknown {
  if (Array.isArray(value)) {
    return value.map((item, index) => resolveEnvironment(item, environment, problems, [...path, index]))
  }
  if (!isPlainObject(value)) return value
  const name = referencedName(value)
  if (name !== undefined) return lookUp(name, environment, problems, path)
  const entries = Object.entries(value).filter(([key]) => isSafeKey(key, path, problems))
  return Object.fromEntries(
    entries.map(([key, item]) => [key, resolveEnvironment(item, environment, problems, [...path, key])]),
  )
}

/** A class instance, such as a log sink, is nothing that holds references. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function referencedName(value: Record<string, unknown>): string | undefined {
  const { env, ...others } = value
  const isReference =
    typeof env === 'string' && /^[A-Za-z_][A-Za-z0-9_]*$/.test(env) && Object.keys(others).length === 0
  return isReference ? env : undefined
}

function lookUp(name: string, environment: Environment, problems: Problem[], path: readonly PropertyKey[]): unknown {
  const found = Object.hasOwn(environment, name) ? environment[name] : undefined
  if (found !== undefined && found !== '') return found
  problems.push({ path, message: `the environment variable ${name} is not set` })
  return undefined
}

function isSafeKey(key: string, path: readonly PropertyKey[], problems: Problem[]): boolean {
  if (key !== '__proto__') return true
  problems.push({ path: [...path, key], message: 'this key is not allowed' })
  return false
}
