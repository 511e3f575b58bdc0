import type { UserTool, UserTools } from '@latchkey/core'
import { describe, expect, it } from 'vitest'

import { userToolsMiddleware } from '../src/index.ts'

const runtime = { context: { userId: 'ann' } }

function latchkeyWith(calls: unknown[]) {
  const list: UserTool = {
    name: 'list',
    mcpName: 'list',
    title: undefined,
    description: 'Lists',
    inputSchema: { type: 'object', properties: { 'page-size': { type: 'integer' }, $top: { type: 'integer' } } },
    outputSchema: undefined,
    annotations: undefined,
    call: async (args) => {
      calls.push(args)
      return { content: [] }
    },
  }
  const userTools: UserTools = { tools: [list], report: { renamed: [], dropped: [], unavailable: [] }, missing: [] }
  return { userTools: async () => userTools }
}

/** Something that has the parts of a tool that are looked at here. */
interface Offered {
  readonly schema: { readonly properties: Record<string, unknown> }
  invoke(call: object): Promise<unknown>
}

function asOffered(tool: unknown): Offered {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of LangChain's tools only this much is used
  return tool as Offered
}

describe('userToolsMiddleware', () => {
  it.each([
    ['claude-opus-5', ['page-size', expect.stringMatching(/^_top_/)]],
    ['gemini-3-flash', [expect.stringMatching(/^page_size_/), expect.stringMatching(/^_top_/)]],
    ['gpt-5', ['page-size', '$top']],
  ])('offers what %s takes, and carries out what it then calls', async (model, names) => {
    const calls: unknown[] = []
    const middleware = userToolsMiddleware(latchkeyWith(calls))
    const offered = await middleware.wrapModelCall<{ tools: unknown[]; model: unknown; runtime: object }, unknown[]>(
      { tools: [], model: { model }, runtime },
      ({ tools }) => tools,
    )
    const tool = asOffered(offered[0])
    const given = Object.keys(tool.schema.properties)
    expect(given).toEqual(names)
    const args = { [given[0] ?? '']: 10, [given[1] ?? '']: 3 }
    const toolCall = { id: 'call-1', name: 'list', args }
    // Of which model it comes is not known any more.
    await middleware.wrapToolCall({ toolCall, tool: undefined, runtime }, async ({ tool: called }) => {
      await asOffered(called).invoke({ type: 'tool_call', ...toolCall })
    })
    expect(calls).toEqual([{ 'page-size': 10, $top: 3 }])
  })
})
