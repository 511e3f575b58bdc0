import type { JsonSchema } from '@latchkey/core'

/** What the model gave: most often an object. */
export type Arguments = Readonly<Record<string, unknown>>

/**
 * The server's schema as the model is shown it, in the form of Standard Schema (https://standardschema.dev/json-schema).
 * It takes whatever comes, because the server checks the arguments: Mastra must not compile its schema, in which a pattern
 * can be made to hang whoever does; and given plain JSON Schema, Mastra would tell the model that no other property is
 * allowed.
 */
export function toStandardSchema(schema: JsonSchema) {
  const jsonSchema = () => ({ ...schema })
  return {
    '~standard': {
      version: 1 as const,
      vendor: 'latchkey',
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- What it is, the call looks at.
      validate: (value: unknown) => ({ value: value as Arguments }),
      jsonSchema: { input: jsonSchema, output: jsonSchema },
    },
  }
}
