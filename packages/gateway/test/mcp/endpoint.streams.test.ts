import { describe, expect, it } from 'vitest'
import { legacyRequest, modernRequest } from './support/clients.ts'
import { startModernUpstream } from './support/upstreams.ts'
import { createWorld, type World } from './support/world.ts'

const NOTIFICATIONS = { toolsListChanged: true }

/** A stream of notifications as it reaches a client. */
interface Stream {
  /** Waits until this text has come. */
  until(text: string): Promise<void>
  /** Everything until the end. */
  rest(): Promise<string>
  cancel(): Promise<void>
}

function read(response: Response): Stream {
  const reader = response.body?.getReader()
  const decoder = new TextDecoder()
  let received = ''
  async function more(): Promise<boolean> {
    const { value, done = true } = (await reader?.read()) ?? {}
    received += decoder.decode(value, { stream: true })
    return !done
  }
  return {
    async until(text) {
      while (!received.includes(text)) if (!(await more())) throw new Error(`the stream ended before ${text}`)
      received = received.slice(received.indexOf(text) + text.length)
    },
    async rest() {
      while (await more());
      return received
    },
    cancel: async () => await reader?.cancel(),
  }
}

async function listen(world: World, user: string): Promise<Stream> {
  const { body, headers } = modernRequest('subscriptions/listen', { notifications: NOTIFICATIONS })
  const stream = read(await world.post(world.url(user), body, headers))
  await stream.until('notifications/subscriptions/acknowledged')
  return stream
}

async function open(world: World, user: string): Promise<Stream> {
  const { body } = legacyRequest('initialize', { protocolVersion: '2025-11-25', capabilities: {} })
  const session = (await world.post(world.url(user), body)).headers.get('mcp-session-id') ?? ''
  const headers = { accept: 'text/event-stream', 'mcp-session-id': session }
  return read(await fetch(world.url(user), { headers }))
}

describe('createMcpEndpoint, streams of notifications', () => {
  it('end in order when the endpoint closes, in both eras, and nothing waits for their clients', async () => {
    await using upstream = await startModernUpstream()
    const world = await createWorld({ connections: { mail: upstream.url } })
    const streams = await Promise.all([listen(world, 'ada'), listen(world, 'grace'), open(world, 'ada')])
    const ends = streams.map((stream) => stream.rest())
    await world[Symbol.asyncDispose]()
    const [first, second, legacy] = await Promise.all(ends)
    for (const end of [first, second]) expect(end).toContain('"resultType":"complete"')
    expect(legacy).not.toContain('resultType')
  })

  it('go on without a stall when another one of the same user is closed', async () => {
    await using upstream = await startModernUpstream()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const [closed, kept, legacy] = await Promise.all([listen(world, 'ada'), listen(world, 'ada'), open(world, 'ada')])
    await closed.cancel()
    for (const status of ['EXPIRED', 'ACTIVE'] as const) {
      world.setStatus('ada', 'mail', status)
      const told = [kept, legacy].map((stream) => stream.until('notifications/tools/list_changed'))
      await expect(Promise.all(told)).resolves.toHaveLength(2)
    }
  })

  it('tell a user nothing of what happens to another', async () => {
    await using upstream = await startModernUpstream()
    const world = await createWorld({ connections: { mail: upstream.url } })
    const [mine, other] = await Promise.all([listen(world, 'ada'), listen(world, 'grace')])
    world.setStatus('ada', 'mail', 'EXPIRED')
    await mine.until('notifications/tools/list_changed')
    const end = other.rest()
    await world[Symbol.asyncDispose]()
    expect(await end).not.toContain('list_changed')
  })
})
