import { GatewayError } from '../errors.ts'

/**
 * Refuses a text that a database cannot keep as it is: Postgres has no U+0000 in a text, and half of a surrogate pair would
 * become another character, so that two texts would be one.
 *
 * @throws GatewayError `invalid_request`
 */
export function checkStorable(value: unknown): void {
  if (typeof value !== 'string' || (value.isWellFormed() && !value.includes('\0'))) return
  throw new GatewayError(
    'invalid_request',
    'A text holds a character that cannot be stored (U+0000, or a lone surrogate).',
  )
}
