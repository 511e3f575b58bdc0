import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

export interface Usage {
  /** User and system time since the process started, in milliseconds. */
  readonly cpuMs: number
  readonly rssMb: number
}

export interface Started<Result> extends Disposable {
  readonly result: Result
  usage(): Promise<Usage>
}

/** Starts a file of this folder as a process of its own and hands it its options. */
export async function startProcess<Result>(file: string, options: object): Promise<Started<Result>> {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)))
  const ask = async <Answer>(message: object): Promise<Answer> => {
    const answer = Promise.race([
      once(child, 'message').then(([value]) => value as Answer),
      once(child, 'exit').then(() => {
        throw new Error(`${file} ended before it answered.`)
      }),
    ])
    child.send(message)
    return await answer
  }
  const result = await ask<Result>(options)
  return { result, usage: async () => await ask<Usage>({ ask: 'usage' }), [Symbol.dispose]: () => void child.kill() }
}
