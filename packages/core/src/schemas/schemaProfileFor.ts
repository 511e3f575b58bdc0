import type { SchemaProfile } from './schemaProfile.ts'

/** By the family of the model, wherever it is hosted: the provider behind a router or a cloud judges its schemas. */
const FAMILIES: readonly (readonly [RegExp, SchemaProfile])[] = [
  [/claude/i, 'anthropic'],
  [/gemini|gemma/i, 'gemini'],
  [/(^|[/:.])(gpt-|chatgpt|codex|o\d)/i, 'openai'],
]

/** By the provider, where the model's name tells nothing, such as that of a deployment. */
const PROVIDERS: readonly (readonly [RegExp, SchemaProfile])[] = [
  [/anthropic/i, 'anthropic'],
  [/google|vertex|gemini/i, 'gemini'],
  [/openai|azure/i, 'openai'],
]

/** Where a model object of the AI SDK or LangChain says which model it is, and who provides it. */
const NAMES = ['modelId', 'model', 'modelName'] as const
const PROVIDER_NAMES = ['provider', 'modelProvider', 'lc_id', 'lc_namespace'] as const

/**
 * The schema profile of a model, from its name or from the model object of a framework; undefined if neither tells.
 * Never `openai-strict`, because the app must ask for `strict` itself.
 *
 * @param model - A name (`'gpt-5'`, `'anthropic/claude-opus-5'`, `'google-genai:gemini-3-flash'`), or a model object of the
 * AI SDK or of LangChain, bound and configurable ones included.
 * @example
 * schemaProfileFor('openai/gpt-5') // 'openai'
 */
export function schemaProfileFor(model: unknown): SchemaProfile | undefined {
  if (typeof model === 'string') return first(FAMILIES, [model]) ?? first(PROVIDERS, [model])
  if (typeof model !== 'object' || model === null) return undefined
  const names = stringsAt(model, NAMES)
  const providers = [...stringsAt(model, PROVIDER_NAMES), model.constructor.name]
  return first(FAMILIES, names) ?? first(PROVIDERS, providers) ?? inside(model)
}

/** A model with options bound to it (`bound`), or one whose options are given later (`_defaultConfig`). */
function inside(model: object): SchemaProfile | undefined {
  const inner: unknown = Reflect.get(model, 'bound') ?? Reflect.get(model, '_defaultConfig')
  return inner === undefined || inner === model ? undefined : schemaProfileFor(inner)
}

function stringsAt(object: object, keys: readonly string[]): readonly string[] {
  return keys
    .flatMap((key): unknown[] => [Reflect.get(object, key)].flat())
    .filter((value) => typeof value === 'string')
}

function first(table: typeof FAMILIES, names: readonly string[]): SchemaProfile | undefined {
  return table.find(([pattern]) => names.some((name) => pattern.test(name)))?.[1]
}
