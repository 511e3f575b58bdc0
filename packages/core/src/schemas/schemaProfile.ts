const SCHEMA_PROFILES = ['openai-strict', 'openai', 'anthropic', 'gemini', 'common', 'none'] as const

/**
 * Which JSON Schemas a model's provider takes for a tool's arguments:
 *
 * - `openai-strict`: OpenAI's strict function calling (Structured Outputs).
 * - `openai`: OpenAI's function calling without `strict`.
 * - `anthropic`: Anthropic's Messages API.
 * - `gemini`: `parameters` of Google's Gemini API and Vertex AI.
 * - `common`: what OpenAI (without `strict`) and Anthropic both take; the default where the model is not known.
 * - `none`: schemas are offered as they are.
 */
export type SchemaProfile = (typeof SCHEMA_PROFILES)[number]

/** @throws {TypeError} when it is no profile. */
export function checkSchemaProfile(profile: unknown): void {
  if (profile === undefined || SCHEMA_PROFILES.some((known) => known === profile)) return
  throw new TypeError(`\`schemaProfile\` must be one of ${SCHEMA_PROFILES.map((known) => `'${known}'`).join(', ')}`)
}
