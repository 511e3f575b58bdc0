import type { Context } from 'hono'
import type * as z from 'zod'
import { GatewayError } from '../errors.ts'

/** The body as this schema has it. An empty body is an empty object. Throws GatewayError `invalid_request`. */
export async function readBody<Schema extends z.ZodType>(context: Context, schema: Schema): Promise<z.output<Schema>> {
  return check(parse(await context.req.text()), schema)
}

/** Throws GatewayError `invalid_request`, which names the field. The value is not in it. */
export function check<Schema extends z.ZodType>(value: unknown, schema: Schema): z.output<Schema> {
  const { data, error } = schema.safeParse(value)
  if (error === undefined) return data
  const problems = error.issues.map(({ path, message }) => `${path.join('.') || 'the body'}: ${message}`)
  throw new GatewayError('invalid_request', problems.join('; '))
}

function parse(text: string): unknown {
  if (text.trim() === '') return {}
  try {
    return JSON.parse(text)
  } catch {
    // Without the cause: it would quote the body.
    throw new GatewayError('invalid_request', 'The body is not JSON.')
  }
}
