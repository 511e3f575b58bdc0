import * as z from 'zod'

/** What all parts of the schema are made of. */
interface Parts {
  readonly must: (be: string) => { error: (issue: { input?: unknown }) => string }
  readonly text: z.ZodString
  readonly strict: <Shape extends z.ZodRawShape>(shape: Shape) => z.ZodObject<Shape, z.core.$strict>
  readonly header: z.ZodType<string, string>
  readonly variable: z.ZodType<string, string>
}

interface Places {
  readonly header?: string | undefined
  readonly prefix?: string | undefined
  readonly query?: string | undefined
  readonly variable?: string | undefined
}

const MAX_FIELDS = 10

/** The options of a connection whose users type in one key, or several fields. */
export function createApiKeySchema({ must, text, strict, header, variable }: Parts) {
  const places = {
    header: header.optional(),
    prefix: text.regex(/^[\x20-\x7e]+$/, 'has characters that a header cannot carry').optional(),
    query: text.regex(/^[\w.~-]{1,100}$/, 'is not the name of a parameter').optional(),
    variable: variable.optional(),
  }
  const field = strict({
    name: text
      .regex(
        /^[a-z][a-z0-9_]{0,31}$/,
        'is not a name of a field: up to 32 of a-z, 0-9 and "_", beginning with a letter',
      )
      .refine((name) => name !== 'csrf_token', 'is reserved'),
    label: text.max(100, 'is longer than 100 characters'),
    secret: z.boolean(must('true or false')).default(true),
    ...places,
  }).superRefine(checkPlace)
  const fields = z
    .array(field, must('a list of fields'))
    .min(1, 'is empty')
    .max(MAX_FIELDS, `has more than ${MAX_FIELDS} fields`)
    .superRefine((value, context) => {
      for (const key of ['name', 'header', 'query'] as const) {
        const given = value.map((one) => one[key]?.toLowerCase())
        for (const [index, one] of given.entries()) {
          if (one === undefined || given.indexOf(one) === index) continue
          context.addIssue({ code: 'custom', path: [index, key], message: 'repeats another one' })
        }
      }
    })
  return strict({ type: z.literal('api_key'), ...places, fields: fields.optional() }).superRefine((value, context) => {
    if (value.fields === undefined) return checkPlace(value, context)
    for (const key of ['header', 'prefix', 'query', 'variable'] as const) {
      if (value[key] !== undefined) context.addIssue({ code: 'custom', path: [key], message: 'is there beside fields' })
    }
  })
}

function checkPlace({ header, prefix, query, variable }: Places, context: z.RefinementCtx): void {
  const say = (key: keyof Places, message: string) => context.addIssue({ code: 'custom', path: [key], message })
  if (header === undefined && query === undefined && variable === undefined) {
    say('header', 'is missing (or, for a program, a variable)')
  }
  if (header !== undefined && query !== undefined) say('query', 'is there beside a header')
  if (header === undefined && prefix !== undefined && (query ?? variable) !== undefined) {
    say('prefix', 'is for headers only')
  }
}
