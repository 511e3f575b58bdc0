import type { SchemaProfile } from './schemaProfile.ts'

/** What a provider refuses of JSON Schema that it otherwise takes whole. */
export interface ExclusionRules {
  /** Left out at the root; `allOf`, `anyOf`, `oneOf` and `$ref` there are merged into it. */
  readonly refusedAtRoot: ReadonlySet<string>
  /** Left out everywhere. */
  readonly refused: ReadonlySet<string>
  readonly isPattern: (pattern: string) => boolean
  readonly arraysNeedItems: boolean
  readonly propertyName: RegExp | undefined
}

/** The part of JSON Schema that a provider takes. */
export interface SubsetRules {
  /** By type. A keyword that is not here is said in words, or left out. */
  readonly keywords: ReadonlyMap<string, ReadonlySet<string>>
  /** By type. */
  readonly formats: ReadonlyMap<string, ReadonlySet<string>>
  readonly isPattern: (pattern: string) => boolean
  /** Types whose values may be listed. */
  readonly enumTypes: ReadonlySet<string>
  /** Keywords that are kept, and said in words besides, because one of the provider's two ways to give schemas lacks them. */
  readonly saidToo: ReadonlySet<string>
  readonly propertyName: RegExp | undefined
  /** Every property required, none but the declared ones; what cannot be said is given as JSON text. */
  readonly isStrict: boolean
}

const ANY_PATTERN = () => true

/** OpenAI refuses lookaround (`@ai-sdk/openai` 4.0.118 removes it), and what is no regular expression in Python. */
const isPortablePattern = (pattern: string) =>
  !/\(\?[^:]|\\[1-9]|\\[pPkcu]/.test(pattern) && isRegularExpression(pattern)

/** Syntax only: it is never run. */
function isRegularExpression(pattern: string): boolean {
  try {
    return new RegExp(pattern, 'u') instanceof RegExp
  } catch {
    return false
  }
}

const NOTHING: ReadonlySet<string> = new Set()
/** Of a tool's own `input_schema.properties`; below, it is not told, and it does no harm there. */
const ANTHROPIC_NAME = /^[a-zA-Z0-9_.-]{1,64}$/
/** Vertex AI, FunctionDeclaration: a letter or `_`, then letters, digits and `_`, at most 64. */
const GEMINI_NAME = /^[a-zA-Z_][a-zA-Z0-9_]{0,63}$/

/**
 * OpenAI, function calling without `strict`. Its answers to what it refuses: "schema must have type 'object' and not have
 * 'oneOf'/'anyOf'/'allOf'/'enum'/'const'/'not' at the top level", "array schema missing items", "… is not a 'regex'", "'…' is
 * not of type 'object', 'boolean'" (lists as `items`). `propertyNames` and lookaround: `@ai-sdk/openai` 4.0.118.
 */
const OPENAI: ExclusionRules = {
  refusedAtRoot: new Set(['enum', 'const', 'not']),
  refused: new Set(['propertyNames']),
  isPattern: isPortablePattern,
  arraysNeedItems: true,
  propertyName: undefined,
}

/**
 * Anthropic, Messages API without `strict`: "input_schema does not support oneOf, allOf, or anyOf at the top level", "JSON
 * schema is invalid. It must match JSON Schema draft 2020-12", "Property keys should match pattern …".
 */
const ANTHROPIC: ExclusionRules = {
  refusedAtRoot: NOTHING,
  refused: NOTHING,
  isPattern: ANY_PATTERN,
  arraysNeedItems: false,
  propertyName: ANTHROPIC_NAME,
}

const COMMON: ExclusionRules = { ...OPENAI, propertyName: ANTHROPIC_NAME }

/** For what every profile but `openai-strict` does to arguments: a name that one of them changes is changed back. */
export const STRICTEST_NAMES: ExclusionRules = {
  refusedAtRoot: NOTHING,
  refused: NOTHING,
  isPattern: ANY_PATTERN,
  arraysNeedItems: false,
  propertyName: GEMINI_NAME,
}

/**
 * OpenAI, Structured Outputs, "Supported schemas" (developers.openai.com/api/docs/guides/structured-outputs).
 * `minLength` and `maxLength` are not among the supported properties, `default` and `uniqueItems` neither.
 */
const OPENAI_STRICT: SubsetRules = {
  keywords: new Map([
    ['string', new Set(['enum', 'const', 'pattern', 'format'])],
    ['number', new Set(['enum', 'const', 'multipleOf', 'maximum', 'exclusiveMaximum', 'minimum', 'exclusiveMinimum'])],
    ['integer', new Set(['enum', 'const', 'multipleOf', 'maximum', 'exclusiveMaximum', 'minimum', 'exclusiveMinimum'])],
    ['boolean', new Set(['enum', 'const'])],
    ['array', new Set(['minItems', 'maxItems'])],
  ]),
  formats: new Map([
    ['string', new Set(['date-time', 'time', 'date', 'duration', 'email', 'hostname', 'ipv4', 'ipv6', 'uuid'])],
  ]),
  isPattern: isPortablePattern,
  enumTypes: new Set(['string', 'number', 'integer', 'boolean']),
  saidToo: NOTHING,
  propertyName: undefined,
  isStrict: true,
}

/**
 * Google, `Schema` of the Gemini API and of Vertex AI (ai.google.dev/api/caching#Schema), which `parameters` of a
 * FunctionDeclaration is. Their answers to what they refuse: "enum: only allowed for STRING type", "only 'enum' and
 * 'date-time' are supported for STRING type", "items: missing field", "required[0]: property is not defined", "schema
 * didn't specify the schema type field", "When using any_of, it must be the only field set".
 * `@langchain/google` 0.2.6 keeps it whole and throws at `$ref` and at several types. `@ai-sdk/google` 4.0.121 sends
 * schemas as they are, but as `parametersJsonSchema`, whose list of keywords lacks those in `saidToo`.
 */
const GEMINI: SubsetRules = {
  keywords: new Map([
    ['string', new Set(['enum', 'pattern', 'format', 'minLength', 'maxLength'])],
    ['number', new Set(['minimum', 'maximum', 'format'])],
    ['integer', new Set(['minimum', 'maximum', 'format'])],
    ['array', new Set(['minItems', 'maxItems'])],
    ['object', new Set(['minProperties', 'maxProperties'])],
  ]),
  formats: new Map([
    ['string', new Set(['enum', 'date-time'])],
    ['number', new Set(['float', 'double'])],
    ['integer', new Set(['int32', 'int64'])],
  ]),
  isPattern: isPortablePattern,
  enumTypes: new Set(['string']),
  saidToo: new Set(['pattern', 'minLength', 'maxLength', 'minProperties', 'maxProperties']),
  propertyName: GEMINI_NAME,
  isStrict: false,
}

/** What is done for a profile. The facts were looked up in November 2026; `docs/schemas.md` names the sources. */
export const PROFILE_RULES: Readonly<
  Record<Exclude<SchemaProfile, 'none'>, { readonly excludes: ExclusionRules } | { readonly subset: SubsetRules }>
> = {
  'openai-strict': { subset: OPENAI_STRICT },
  gemini: { subset: GEMINI },
  openai: { excludes: OPENAI },
  anthropic: { excludes: ANTHROPIC },
  common: { excludes: COMMON },
}
