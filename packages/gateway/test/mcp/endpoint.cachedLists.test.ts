import { describe, expect, it } from 'vitest'
import { heldBytes } from '../upstream/support/heldBytes.ts'
import { modernRequest } from './support/clients.ts'
import { startLegacyUpstream, startScriptedUpstream } from './support/upstreams.ts'
import { createWorld } from './support/world.ts'

const KIB = 1024
/** What the lists of all users together may take, in characters. */
const CAP = 64 * KIB * KIB

/** Nearly as long as the list of one upstream may be. Only one of its tools is allowed, so that answers are short. */
const large = (name: string) =>
  `{"name":"${name}","inputSchema":{"type":"object","pattern":"${'x'.repeat(250 * KIB)}"}}`
const TOOLS = `[{"name":"small"},${Array.from({ length: 7 }, (_, index) => large(`large${index}`)).join(',')}]`

describe('createMcpEndpoint, lists that it has read', () => {
  // Regression: what they take was measured while there was nothing yet, and the cap on all of them was never reached.
  it('are forgotten when they take too much together, and first those that nobody has asked for lately', async () => {
    await using upstream = await startScriptedUpstream(TOOLS)
    await using world = await createWorld({ connections: { mail: upstream.url }, allow: { mail: ['small'] } })
    const list = async (user: string) => {
      const { body, headers } = modernRequest('tools/list')
      const { result } = await (await world.post(world.url(user), body, headers)).json()
      expect(result.tools).toEqual([{ name: 'small' }])
    }
    const timesAsked = (user: string) => {
      const credential = `Bearer upstream-${world.account(user, 'mail').id}-1`
      const own = upstream.seen.filter(({ headers }) => headers['authorization'] === credential)
      return own.filter(({ body }) => body.includes('"tools/list"')).length
    }
    const [steady = '', first = '', ...others] = Array.from(
      { length: Math.ceil(CAP / TOOLS.length) + 2 },
      (_, index) => `user${index}`,
    )
    await list(steady)
    for (const user of [first, ...others]) {
      await list(user)
      await list(steady)
    }
    const last = others.at(-1) ?? ''
    for (const user of [first, last]) await list(user)
    expect([steady, first, last].map(timesAsked)).toEqual([1, 2, 1])
  })

  it('T44: are held no longer than that, also where an answer that was made of them is kept', async () => {
    await using upstream = await startScriptedUpstream(TOOLS)
    await using world = await createWorld({ connections: { mail: upstream.url }, allow: { mail: ['small'] } })
    const list = async (user: string) => {
      const { body, headers } = modernRequest('tools/list')
      expect(await (await world.post(world.url(user), body, headers)).text()).toContain('"small"')
    }
    await list('first')
    const before = heldBytes()
    for (let index = 0; index < (1.6 * CAP) / TOOLS.length; index += 1) await list(`user${index}`)
    expect(heldBytes() - before).toBeLessThan(1.2 * CAP)
  })

  it('cost no session at a 2025 upstream when they are kept', async () => {
    await using upstream = await startLegacyUpstream()
    await using world = await createWorld({ connections: { mail: upstream.url } })
    const { body, headers } = modernRequest('tools/call', { name: 'echo', arguments: { text: 'x' } })
    const list = modernRequest('tools/list')
    for (let round = 0; round < 2; round += 1) {
      expect(await (await world.post(world.url('ada'), body, headers)).text()).toContain('"echoed":"x"')
      expect(await (await world.post(world.url('ada'), list.body, list.headers)).text()).toContain('"name":"echo"')
      world.clock.now += 61_000
    }
    const times = (text: string) => upstream.seen.filter((request) => request.body.includes(text)).length
    expect([times('"tools/list"'), times('"initialize"')]).toEqual([2, 1])
    expect(upstream.seen.filter(({ method }) => method === 'DELETE')).toEqual([])
  })
})
