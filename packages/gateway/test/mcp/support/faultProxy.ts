import { connect, createServer, type Socket } from 'node:net'
import { listen } from '../../http/listen.ts'

/** What goes wrong, counted in bytes since it was set, over all connections. */
export interface Fault {
  readonly direction: 'request' | 'response'
  /** So many bytes still pass. */
  readonly afterBytes: number
  /** `reset`: both sides see an end without notice; `silence`: nothing more passes, and nobody is told. */
  readonly kind: 'reset' | 'silence'
  /** A reset that happens no second time. Default: everything after it is reset too. */
  readonly once?: boolean
}

export interface FaultProxy extends AsyncDisposable {
  readonly url: string
  /** Sets what goes wrong from now on; undefined for nothing. */
  set(fault: Fault | undefined): void
  /** How many bytes have passed since, by direction. */
  passed(): { readonly request: number; readonly response: number }
  /** Of clients. */
  openConnections(): number
}

/** Hands bytes on to an HTTP server, until it is told not to. */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const { port: targetPort, pathname } = new URL(target)
  const sockets = new Set<Socket>()
  const clients = new Set<Socket>()
  let fault: Fault | undefined
  let passed = { request: 0, response: 0 }

  function hand(from: Socket, to: Socket, direction: Fault['direction']): void {
    from.on('data', (chunk) => {
      const left = fault?.direction === direction ? fault.afterBytes - passed[direction] : Infinity
      const part = chunk.subarray(0, Math.max(0, left))
      passed[direction] += part.byteLength
      if (part.byteLength > 0) to.write(part)
      if (chunk.byteLength < left || fault?.kind !== 'reset') return
      if (fault.once === true) fault = undefined
      // What has passed has passed: it reaches the other side before the end does.
      to.end()
      from.destroy()
    })
    from.on('end', () => to.end())
    from.on('error', () => to.destroy())
    from.on('close', () => void sockets.delete(from))
  }

  const server = createServer((client) => {
    const upstream = connect(Number(targetPort), '127.0.0.1')
    for (const socket of [client, upstream]) sockets.add(socket)
    clients.add(client)
    client.on('close', () => void clients.delete(client))
    hand(client, upstream, 'request')
    hand(upstream, client, 'response')
  })
  const port = await listen(server)
  return {
    url: `http://127.0.0.1:${port}${pathname}`,
    set(next) {
      fault = next
      passed = { request: 0, response: 0 }
    },
    passed: () => passed,
    openConnections: () => clients.size,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      const { promise, resolve } = Promise.withResolvers<void>()
      server.close(() => resolve())
      await promise
    },
  }
}
