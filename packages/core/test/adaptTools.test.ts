import { describe, expect, it } from 'vitest'
import { adaptTools, needsApproval, type SchemaProfile, type UserTool } from '../src/index.ts'
import { agentTools } from '../src/tools/agentTools.ts'

type Schema = UserTool['inputSchema']

const PROFILES: readonly SchemaProfile[] = ['openai-strict', 'openai', 'anthropic', 'gemini', 'common']

function toolWith(inputSchema: Schema, name = 'tool'): UserTool & { calls: unknown[] } {
  const calls: unknown[] = []
  return {
    name,
    mcpName: name,
    title: undefined,
    description: 'Does it.',
    inputSchema,
    outputSchema: undefined,
    annotations: undefined,
    calls,
    call: async (args) => {
      calls.push(args)
      return { content: [] }
    },
  }
}

/** What a tool is called with when the model, which was shown the adapted one, gives these arguments. */
async function calledWith(schema: Schema, profile: SchemaProfile, args: Record<string, unknown>): Promise<unknown> {
  const tool = toolWith(schema)
  await adaptTools([tool], profile).tools[0]?.call(args)
  return tool.calls[0]
}

/** What a stranger's server may say, whatever its type. */
function anySchema(schema: unknown): Schema {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  return schema as Schema
}

function form(kind: string, value: object) {
  return {
    type: 'object',
    properties: { value, kind: { const: kind }, note: { type: 'string' } },
    required: ['kind', 'value'],
  }
}

const doubling = Object.fromEntries(
  Array.from({ length: 30 }, (_, index) => [
    `d${index}`,
    { type: 'object', properties: { a: { $ref: `#/$defs/d${index + 1}` }, b: { $ref: `#/$defs/d${index + 1}` } } },
  ]),
)

describe('adaptTools', () => {
  it('is done once for each list and profile', () => {
    const tools = [toolWith({ type: 'object' })]
    expect(adaptTools(tools, 'gemini')).toBe(adaptTools(tools, 'gemini'))
    expect(adaptTools(tools, 'gemini')).not.toBe(adaptTools(tools, 'anthropic'))
  })

  it('gives the very tool where nothing is to be changed', () => {
    const tool = toolWith({ type: 'object', properties: { word: { type: 'string' } }, required: ['word'] })
    for (const profile of ['none', 'openai', 'anthropic', 'common'] as const)
      expect(adaptTools([tool], profile).tools[0]).toBe(tool)
  })

  it('refuses a profile that there is not', () => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what a caller without types may do
    expect(() => adaptTools([], 'mistral' as SchemaProfile)).toThrow(TypeError)
  })

  it.each(PROFILES)('costs the request nothing but the tool, for %s, when its schema is hostile', (profile) => {
    const good = toolWith({ type: 'object', properties: { word: { type: 'string' } } }, 'good')
    const circle: Record<string, unknown> = { type: 'object' }
    circle['properties'] = { a: circle }
    let deep: unknown = {}
    for (let level = 0; level < 10_000; level += 1) deep = { type: 'object', properties: { a: deep } }
    const hostile: readonly Schema[] = [
      { type: 'object', properties: { a: { $ref: '#/$defs/d0' } }, $defs: doubling },
      anySchema(circle),
      anySchema(deep),
      { type: 'object', description: 'x'.repeat(300_000) },
      {
        type: 'object',
        properties: Object.fromEntries(Array.from({ length: 6_000 }, (_, index) => [`p${index}`, {}])),
      },
      {
        type: 'object',
        properties: JSON.parse('{"__proto__": {"type": "string"}, "constructor": {"$ref": "#/__proto__"}}'),
      },
      { type: 'object', allOf: [{ $ref: '#' }, { $ref: '#/allOf/0' }] },
      JSON.parse('{"type": "object", "properties": [1], "required": {"a": 1}, "anyOf": "x", "$ref": 7, "enum": {}}'),
    ]
    const { user: before } = process.cpuUsage()
    const tools = [good, ...hostile.map((schema, index) => toolWith(schema, `hostile_${index}`))]
    const { tools: kept, report } = adaptTools(tools, profile)
    expect(process.cpuUsage().user - before).toBeLessThan(5_000_000)
    expect(kept[0]?.name).toBe('good')
    const left = report.dropped.map(({ mcpName }) => mcpName)
    // In circles, too deep, too long, too many.
    expect(left).toEqual(expect.arrayContaining(['hostile_1', 'hostile_2', 'hostile_3', 'hostile_4']))
    expect(kept.length + report.dropped.length).toBe(tools.length)
    for (const { reason } of report.dropped) expect(reason).not.toBe('')
    expect(JSON.stringify(kept.map(({ inputSchema }) => inputSchema)).length).toBeLessThan(3_000_000)
    expect(Object.hasOwn(Object.prototype, 'type')).toBe(false)
  })

  it('says which tools are not checked here', () => {
    const { report } = adaptTools(
      [toolWith({ type: 'object', properties: { a: { $ref: '#/$defs/d0' } }, $defs: doubling })],
      'none',
    )
    expect(report.unchecked).toEqual([{ tool: 'tool', reason: expect.stringContaining('references written out') }])
  })

  it('leaves out a tool that takes arguments of any name when OpenAI is strict', () => {
    const { tools, report } = adaptTools([toolWith({ type: 'object', additionalProperties: true })], 'openai-strict')
    expect(tools).toEqual([])
    expect(report.dropped).toEqual([{ mcpName: 'tool', reason: 'it takes arguments of any name' }])
  })

  const issue: Schema = {
    type: 'object',
    properties: {
      id: { type: 'string' },
      title: { type: 'string' },
      assignee: { type: ['string', 'null'] },
      labels: { type: 'object', additionalProperties: { type: 'string' } },
      parent: { $ref: '#/$defs/node' },
    },
    required: ['id'],
    $defs: { node: { type: 'object', properties: { name: { type: 'string' }, parent: { $ref: '#/$defs/node' } } } },
  }

  it.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    ['leaves out what null stands for', { id: '1', title: null }, { id: '1' }],
    ['keeps null where the tool takes null', { id: '1', assignee: null }, { id: '1', assignee: null }],
    ['leaves out what it would else clear', { id: '1', assignee: '(omit)' }, { id: '1' }],
    ['reads JSON text', { id: '1', labels: '{"a":"b"}' }, { id: '1', labels: { a: 'b' } }],
    [
      'leaves out what null stands for in a recursive form',
      { id: '1', parent: { name: 'a', parent: { name: null, parent: null } } },
      { id: '1', parent: { name: 'a', parent: {} } },
    ],
    ['leaves to the check what is no JSON text', { id: '1', labels: 'a=b' }, { id: '1', labels: 'a=b' }],
    ['takes what the tool itself takes', { id: '1', labels: { a: 'b' } }, { id: '1', labels: { a: 'b' } }],
  ])('%s when OpenAI is strict', async (_, given, meant) => {
    expect(await calledWith(issue, 'openai-strict', given)).toEqual(meant)
  })

  it('takes for a text what may be a text and is no JSON text that fits', async () => {
    const forms = [
      { type: 'object', additionalProperties: true },
      { type: 'string', minLength: 1 },
    ]
    const schema = anySchema({ type: 'object', properties: { v: { anyOf: forms } }, required: ['v'] })
    expect(await calledWith(schema, 'openai-strict', { v: '123' })).toEqual({ v: '123' })
    expect(await calledWith(schema, 'openai-strict', { v: '{"a":1}' })).toEqual({ v: { a: 1 } })
  })

  it('tells whoever approves a call of the arguments as the tool gets them', async () => {
    const [tool] = adaptTools([toolWith(issue)], 'openai-strict').tools
    if (!tool) throw new Error('It is left out.')
    const told: unknown[] = []
    const approve = (described: object, args: object) => told.push(Object.keys(described), args) > 0
    await needsApproval(tool, { id: '1', title: null, labels: '{"a":"b"}' }, { approve })
    expect(told[1]).toEqual({ id: '1', labels: { a: 'b' } })
    expect(told[0]).not.toContain('meantArguments')
  })

  it('tells forms apart by a first key, and restores the form that was given', async () => {
    const forms: unknown = [form('text', { type: 'string' }), form('any', {})]
    const schema = anySchema({ type: 'object', properties: { set: { oneOf: forms } }, required: ['set'] })
    const { tools } = adaptTools([toolWith(schema)], 'openai-strict')
    expect(JSON.stringify(tools[0]?.inputSchema)).toContain('"anyOf":[{"type":"object","properties":{"kind"')
    expect(await calledWith(schema, 'openai-strict', { set: { kind: 'text', value: '[1]', note: null } })).toEqual({
      set: { kind: 'text', value: '[1]' },
    })
    expect(await calledWith(schema, 'openai-strict', { set: { kind: 'any', value: '[1]', note: null } })).toEqual({
      set: { kind: 'any', value: [1] },
    })
  })
})

describe('agentTools', () => {
  it('refuses a profile that there is not before there are tools', async () => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what a caller without types may do
    const options = { schemaProfile: 'mistral' as SchemaProfile }
    await expect(
      agentTools({ userTools: () => Promise.reject(new Error('It asked.')) }, 'ann', options),
    ).rejects.toThrow(/`schemaProfile` must be one of/)
  })
})
