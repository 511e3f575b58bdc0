import { createHash } from 'node:crypto'
import type { Program } from '../domain.ts'

/**
 * What stands for a program where a server has its URL. Another program, or the same with other arguments, has another
 * one, so that no credential goes where it was not meant to.
 */
export function programAddress({ command, args, cwd }: Omit<Program, 'env'>): string {
  return `stdio:${createHash('sha256')
    .update(JSON.stringify([command, args, cwd]))
    .digest('base64url')}`
}
