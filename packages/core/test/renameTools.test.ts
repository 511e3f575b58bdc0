import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { UserTool } from '../src/index.ts'
import { renameTools } from '../src/tools/renameTools.ts'

/** What Mastra takes. */
const ACCEPTED = /^(?!__proto__$)[A-Za-z_][A-Za-z0-9_-]{0,62}$/
const REPORT = { renamed: [], dropped: [], unavailable: [] }

const toolNamed = (name: string): UserTool => ({
  name,
  mcpName: `mcp of ${name}`,
  title: undefined,
  description: '',
  inputSchema: { type: 'object' },
  outputSchema: undefined,
  annotations: undefined,
  call: async () => ({ content: [{ type: 'text', text: name }] }),
})

describe('renameTools', () => {
  it('gives each tool a name of its own that is accepted, whichever others there are, and reports it', async () => {
    const name = fc.oneof(
      fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/),
      fc.stringMatching(/^[A-Za-z0-9_-]{63,64}$/),
      fc.constantFrom('__proto__', 'a'.repeat(64), `${'a'.repeat(63)}b`),
    )
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(name, { maxLength: 8 }), async (names) => {
        const { tools, report } = renameTools({ tools: names.map(toolNamed), report: REPORT }, ACCEPTED)
        expect(new Set(tools.map((tool) => tool.name)).size).toBe(names.length)
        for (const [index, tool] of tools.entries()) {
          const [given = ''] = names.slice(index)
          expect(tool.name).toMatch(ACCEPTED)
          expect(tool.name === given).toBe(ACCEPTED.test(given))
          const alone = renameTools({ tools: [toolNamed(given)], report: REPORT }, ACCEPTED)
          expect(alone.tools[0]?.name).toBe(tool.name)
          expect(await tool.call({})).toEqual({ content: [{ type: 'text', text: given }] })
        }
        const changed = names.filter((given) => !ACCEPTED.test(given))
        expect(report.renamed.map(({ mcpName }) => mcpName)).toEqual(changed.map((given) => `mcp of ${given}`))
        expect(report.dropped).toEqual([])
      }),
    )
  })

  it('leaves out, and reports, a tool whose new name another tool has', () => {
    const [renamed] = renameTools({ tools: [toolNamed('1')], report: REPORT }, ACCEPTED).tools
    const both = { tools: [toolNamed('1'), toolNamed(renamed?.name ?? '')], report: REPORT }
    const { tools, report } = renameTools(both, ACCEPTED)
    expect(tools.map(({ name }) => name)).toEqual([renamed?.name])
    expect(report.dropped.map(({ mcpName }) => mcpName)).toEqual(['mcp of 1'])
    expect(report.renamed).toEqual([])
  })

  it('tells the name by which the agent knows a tool that was renamed before', () => {
    const before = { renamed: [{ mcpName: 'mcp of 1', name: '1' }], dropped: [], unavailable: [] }
    const { tools, report } = renameTools({ tools: [toolNamed('1')], report: before }, ACCEPTED)
    expect(report.renamed).toEqual([{ mcpName: 'mcp of 1', name: tools[0]?.name }])
  })
})
