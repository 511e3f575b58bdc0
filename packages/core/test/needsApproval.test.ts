import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { agentTools, needsApproval, type UserTool } from '../src/index.ts'

const ARGS = { to: ['x@y.example'] }

function toolWith(annotations: UserTool['annotations']): UserTool {
  return {
    name: 'send_mail',
    mcpName: 'send_mail',
    title: undefined,
    description: 'Sends a mail',
    inputSchema: { type: 'object' },
    outputSchema: undefined,
    annotations,
    call: async () => ({ content: [] }),
  }
}

describe('needsApproval', () => {
  it.each([
    ['has no annotations', undefined, true, true],
    ['has none of the two hints', { title: 'Send', idempotentHint: true }, true, true],
    ['says that it only reads', { readOnlyHint: true }, false, false],
    ['says that it only reads and destroys nothing', { readOnlyHint: true, destructiveHint: false }, false, false],
    ['says that it only reads, and that it destroys', { readOnlyHint: true, destructiveHint: true }, true, true],
    ['says that it only adds', { destructiveHint: false }, true, false],
    ['says that it writes', { readOnlyHint: false }, true, true],
    ['says that it writes and only adds', { readOnlyHint: false, destructiveHint: false }, true, false],
    ['says that it destroys', { destructiveHint: true }, true, true],
  ] as const)(
    'goes by the specification and its defaults when a tool %s',
    async (_, annotations, writes, destructive) => {
      const tool = toolWith(annotations)
      expect(await needsApproval(tool, ARGS, { approve: 'writes' })).toBe(writes)
      expect(await needsApproval(tool, ARGS, { approve: 'destructive' })).toBe(destructive)
      expect(await needsApproval(tool, ARGS, {})).toBe(false)
    },
  )

  it('is never less strict for what writes than for what destroys, and takes nothing but `true` and `false` as a hint', async () => {
    const hint = fc.oneof(fc.boolean(), fc.constantFrom(undefined, null, 'true', 'false', 0, 1))
    await fc.assert(
      fc.asyncProperty(fc.record({ readOnlyHint: hint, destructiveHint: hint }), async (claims) => {
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what an upstream that lies may send
        const tool = toolWith(claims as UserTool['annotations'])
        const writes = await needsApproval(tool, ARGS, { approve: 'writes' })
        const destroys = await needsApproval(tool, ARGS, { approve: 'destructive' })
        expect(writes || !destroys).toBe(true)
        expect(writes).toBe(claims.readOnlyHint !== true || claims.destructiveHint === true)
        expect(destroys).toBe(writes && claims.destructiveHint !== false)
      }),
    )
  })

  it('leaves the decision to a function, which can neither call the tool nor change the arguments', async () => {
    const given: unknown[] = []
    const args = structuredClone(ARGS)
    const approve = async (tool: object, theirs: Readonly<Record<string, unknown>>) => {
      given.push({ ...tool }, structuredClone(theirs))
      Object.assign(theirs, { to: 'somebody else' })
      return false
    }
    expect(await needsApproval(toolWith({ destructiveHint: true }), args, { approve })).toBe(false)
    expect(args).toEqual(ARGS)
    expect(given).toEqual([
      expect.objectContaining({ name: 'send_mail', annotations: { destructiveHint: true } }),
      ARGS,
    ])
    expect(given[0]).not.toHaveProperty('call')
  })

  it.each([true, undefined, null, 0, ''])(
    'takes %o of a function for yes, because it is not `false`',
    async (answer) => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a caller without types
      const approve = () => answer as boolean
      expect(await needsApproval(toolWith({ readOnlyHint: true }), ARGS, { approve })).toBe(true)
    },
  )

  it('throws what the function throws', async () => {
    const down = new Error('the policy server is down')
    const deciding = needsApproval(toolWith(undefined), ARGS, { approve: () => Promise.reject(down) })
    await expect(deciding).rejects.toThrow('the policy server is down')
  })
})

describe('agentTools', () => {
  it("refuses another `approve` as a caller's mistake, before anything is asked", async () => {
    const latchkey = { userTools: () => Promise.reject(new Error('asked')) }
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a caller without types
    const options = { approve: 'everything' as 'writes' }
    await expect(agentTools(latchkey, 'ann', options)).rejects.toThrow(/`approve` must be/)
  })
})
