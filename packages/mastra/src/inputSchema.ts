import type { JsonSchema } from '@latchkey/core'

/** What the model gave: most often an object. */
export type Arguments = Readonly<Record<string, unknown>>

/**
 * The schema that the model is shown, in the form of Standard Schema (https://standardschema.dev/json-schema).
 * It takes whatever comes, because the call checks the arguments: Mastra must not compile a server's schema, in which a pattern
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
