import { timingSafeEqual } from 'node:crypto'
import { parseJson } from '../http/parseJson.ts'

/** A keyed digest of a text: see `Backend.sign`. */
export type Sign = (text: string) => string

/**
 * Something as a string: readable, so it must hold no secret, and signed, so that nobody can make one up.
 *
 * @param prefix says what it is; one kind is never taken for another.
 */
export function writeSigned(sign: Sign, prefix: string, content: unknown): string {
  const text = `${prefix}${Buffer.from(JSON.stringify(content)).toString('base64url')}`
  return `${text}.${sign(text)}`
}

/** What was written, or undefined if it was not written with this signature and prefix. */
export function readSigned(sign: Sign, prefix: string, signed: string): unknown {
  const end = signed.lastIndexOf('.')
  const text = signed.slice(0, Math.max(0, end))
  if (!text.startsWith(prefix) || !isEqual(signed.slice(end + 1), sign(text))) return undefined
  return parseJson(Buffer.from(text.slice(prefix.length), 'base64url').toString())
}

function isEqual(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}
