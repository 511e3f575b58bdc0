import { fork } from 'node:child_process'
import { on } from 'node:events'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import type * as z from 'zod'

export interface Child extends Disposable {
  send(message: object): void
  /** The next thing that it says. */
  next<Said>(schema: z.ZodType<Said>): Promise<Said>
}

/** Starts a file as a process of its own; `env` is what it needs to know. */
export function startChild(file: URL, env: Readonly<Record<string, string>>): Child {
  const child = fork(fileURLToPath(file), { env: { ...process.env, ...env } })
  const ended = new AbortController()
  child.once('exit', () => ended.abort(new Error(`${basename(file.pathname)} ended.`)))
  const messages = on(child, 'message', { signal: ended.signal })
  return {
    send: (message) => void child.send(message),
    next: async (schema) => {
      const { value } = await messages.next()
      return schema.parse(Array.isArray(value) ? value[0] : undefined)
    },
    [Symbol.dispose]: () => {
      if (child.connected) child.disconnect()
    },
  }
}
