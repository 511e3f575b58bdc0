import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import { latchkeyGateway, type LatchkeyError } from '../src/index.ts'
import { setup } from './fixtures/setup.ts'
import { CLIENT_ID, CLIENT_SECRET } from './fixtures/scriptedControlPlane.ts'

/** Everything that a program is likely to print of a value. */
function printed(value: unknown): string {
  const deep = inspect(value, { depth: 20, showHidden: true, getters: false })
  return [deep, JSON.stringify(value), String(value), value instanceof Error ? value.stack : ''].join('\n')
}

async function rejectionOf(promise: Promise<unknown>): Promise<LatchkeyError> {
  return promise.then(
    () => expect.unreachable(),
    (error: LatchkeyError) => error,
  )
}

/** An endpoint may repeat what it was sent. */
async function repeat(request: Request): Promise<Response> {
  const { id } = z.object({ id: z.number() }).parse(await request.json())
  const message = `no: ${request.headers.get('authorization')} at ${request.url}`
  return Response.json({ jsonrpc: '2.0', id, error: { code: -32_603, message } })
}

describe('secrets', () => {
  it('do not show in anything that is printed', async () => {
    const { plane, latchkey } = await setup({ connections: ['mail'] })
    const errors = [await rejectionOf(latchkey.userTools('u1'))]
    plane.setStatus('u1', 'mail', 'ACTIVE')
    const endpoint = await latchkey.ready('u1')
    const instance = await latchkey.ensureInstance('u1')
    const userTools = await latchkey.userTools('u1')
    const whoami = firstOf(userTools.tools)
    const states = await latchkey.getAuthState('ins_u2', { includeAuthLinks: true })
    for (const tool of userTools.tools.filter(({ mcpName }) => mcpName === 'consent'))
      errors.push(await rejectionOf(tool.call({})))
    plane.inject(/^POST \/mcp/, repeat, 1)
    errors.push(await rejectionOf(whoami.call({})))
    expect(errors.at(-1)?.message).toContain('no: Bearer [redacted]')
    plane.revokeSessionTokens()
    plane.setStatus('u1', 'mail', 'EXPIRED')
    errors.push(await rejectionOf(whoami.call({})))
    // What answers may repeat what it was sent.
    plane.inject(/.*/, async (request) => {
      const said = `${request.url} ${request.headers.get('authorization')} ${await request.text()}`
      return Response.json({ code: 'X', message: `no: ${plane.url}/connect/canary-link-1`, said }, { status: 400 })
    })
    errors.push(await rejectionOf(whoami.call({})), await rejectionOf(latchkey.ensureInstance('u1')))
    const backend = latchkeyGateway({ url: plane.url, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET })

    expect(states[0]?.authenticationLink).toContain('canary-link')
    expect(instance.url).toContain('canary-url-secret')
    for (const value of [latchkey, endpoint, instance, userTools, states, backend, backend.identity, ...errors]) {
      const text = printed(value)
      expect(text).not.toContain('canary')
      for (const secret of plane.mintedSecrets) expect(text).not.toContain(secret)
    }
    expect(new Set(errors.map((error) => error.code))).toEqual(new Set(['authorization_required', 'rejected']))
  })
})

function firstOf<T>([first]: readonly T[]): T {
  if (first === undefined) throw new Error('there is none')
  return first
}
