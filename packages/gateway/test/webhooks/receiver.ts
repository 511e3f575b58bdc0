import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { Webhook } from 'standardwebhooks'

/** One request that came. */
export interface Received {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly id: string
}

/** What a receiver does with a request. Default: 204. */
export type Answer = (received: Received, response: ServerResponse) => unknown

export interface Receiver extends AsyncDisposable {
  readonly url: string
  readonly port: number
  readonly received: readonly Received[]
  /** The most requests that were open at the same time. */
  readonly mostAtOnce: () => number
  answerWith: (answer: Answer) => void
  /** Resolves once so many requests have come. */
  readonly count: (requests: number) => Promise<void>
  close: () => Promise<void>
}

/** A web server that takes webhooks. */
export async function startReceiver(initial: Answer = answerStatus(204), port = 0): Promise<Receiver> {
  let answer = initial
  let open = 0
  let most = 0
  const received: Received[] = []
  const waiting = new Set<() => void>()
  const server = createServer((request, response) => {
    open++
    most = Math.max(most, open)
    response.once('close', () => open--)
    void take(request, response)
  })
  async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request)
    const { headers, url: path = '' } = request
    const one = { path, headers, body, id: String(headers['webhook-id']) }
    received.push(one)
    for (const check of waiting) check()
    answer(one, response)
  }
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')

  async function close(): Promise<void> {
    server.closeAllConnections()
    if (server.listening) await new Promise((resolve) => server.close(resolve))
  }
  return {
    url: `http://127.0.0.1:${address.port}/hook?token=canary-query`,
    port: address.port,
    received,
    mostAtOnce: () => most,
    answerWith: (next) => {
      answer = next
    },
    count: async (requests) => {
      await new Promise<void>((resolve) => {
        const check = () => {
          if (received.length < requests) return
          waiting.delete(check)
          resolve()
        }
        waiting.add(check)
        check()
      })
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

export const answerStatus =
  (status: number, headers: Record<string, string> = {}): Answer =>
  (_received, response) =>
    response.writeHead(status, headers).end()

/** Whether one of the signatures is of this secret. Does not look at the time, which tests move. */
export function isSignedWith(secret: string, { id, body, headers }: Received): boolean {
  const at = new Date(Number(headers['webhook-timestamp']) * 1000)
  return String(headers['webhook-signature'])
    .split(' ')
    .includes(new Webhook(secret).sign(id, at, body))
}
