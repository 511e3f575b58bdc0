import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import * as z from 'zod'

const usageSchema = z.object({
  /** User and system time since the process started, in milliseconds. */
  cpuMs: z.number(),
  rssMb: z.number(),
})

export type Usage = z.infer<typeof usageSchema>

export interface Started<Result> extends Disposable {
  readonly result: Result
  readonly usage: () => Promise<Usage>
}

/** Starts a file of this folder as a process of its own; `env` is what it needs to know, `schema` what it tells. */
export async function startProcess<Result>(
  file: string,
  env: Readonly<Record<string, string>>,
  schema: z.ZodType<Result>,
): Promise<Started<Result>> {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), { env: { ...process.env, ...env } })
  const answer = answersOf(child, file)
  const result = schema.parse(await answer())
  return { result, usage: usageOf(child, file), [Symbol.dispose]: () => child.disconnect() }
}

/** Asks a process that has called `serveParent` what it has used so far. */
export function usageOf(child: ChildProcess, file: string): () => Promise<Usage> {
  const answer = answersOf(child, file)
  return async () => {
    child.send('usage')
    return usageSchema.parse(await answer())
  }
}

function answersOf(child: ChildProcess, file: string): () => Promise<unknown> {
  const ended = new AbortController()
  child.once('exit', () => ended.abort(new Error(`${file} ended before it answered.`)))
  return async () => (await once(child, 'message', { signal: ended.signal }))[0]
}
