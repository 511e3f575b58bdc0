import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** What is kept of a value that must not be kept itself: SHA-256, in hex. */
export function sha256(value: string): string {
  return createHash('sha256').update(value).digest('hex')
}

/** 256 random bits. */
export function randomToken(): string {
  return randomBytes(32).toString('base64url')
}

/** Compares without telling by the time it takes where the two differ. */
export function isSame(a: string, b: string): boolean {
  return timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest())
}
