import { createAnthropic } from '@ai-sdk/anthropic'
import { createGoogle } from '@ai-sdk/google'
import { createOpenAI } from '@ai-sdk/openai'
import { ChatGoogle } from '@langchain/google'
import { adaptTools, type SchemaProfile, type UserTool } from '@latchkey/core'
import { generateText, jsonSchema, tool as aiTool, type JSONSchema7, type LanguageModel } from 'ai'
import { Ajv, type ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import * as fc from 'fast-check'
import type { JSONSchema } from 'openai/lib/jsonschema'
import { toStrictJsonSchema } from 'openai/lib/transform'
import { describe, expect, it } from 'vitest'
import { toolLists } from './corpus/toolLists.ts'
import { anySchema } from '../../packages/core/test/fixtures/anySchema.ts'
import { argumentsFor } from './schemas/argumentsFor.ts'
import { profileProblems } from './schemas/profileProblems.ts'
import { silentChanges } from './schemas/silentChanges.ts'

const PROFILES = [
  'openai-strict',
  'openai',
  'anthropic',
  'gemini',
  'common',
] as const satisfies readonly SchemaProfile[]
const LISTS = toolLists()

/** A tool that answers nothing and keeps what it was called with. */
function recordingTool(
  name: string,
  inputSchema: UserTool['inputSchema'],
  description = '',
): UserTool & { calls: unknown[] } {
  const calls: unknown[] = []
  return {
    name,
    mcpName: name,
    title: undefined,
    description,
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

const corpus = LISTS.flatMap(({ package: server, tools }) =>
  tools.map((tool) => ({ server, tool: recordingTool(tool.name, tool.inputSchema, tool.description) })),
)

/** Adapts one tool. */
function adaptOne(tool: UserTool, profile: SchemaProfile) {
  const { tools, report } = adaptTools([tool], profile)
  return { adapted: tools[0], report }
}

describe('the corpus', () => {
  it('has the tools of more than ten servers, under permissive licences', () => {
    expect(LISTS.length).toBeGreaterThan(10)
    expect(corpus.length).toBeGreaterThan(300)
  })
})

describe('what the frameworks and providers make of the adapted tools', () => {
  it("is taken whole by OpenAI's own library in strict mode", () => {
    for (const { tool } of corpus) {
      const { adapted } = adaptOne(tool, 'openai-strict')
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- MCP and OpenAI type the same JSON Schema apart.
      expect(() => toStrictJsonSchema(adapted?.inputSchema as JSONSchema)).not.toThrow()
    }
  })

  it('reaches OpenAI through the AI SDK as it is', async () => {
    const tools = adaptTools(corpusTools(), 'openai').tools
    const body = await bodySent((fetch) => createOpenAI({ apiKey: 'none', fetch }).responses('gpt-5'), tools)
    expect(fieldOf(body['tools'], 'parameters')).toEqual(tools.map(({ inputSchema }) => inputSchema))
  })

  it('reaches Anthropic through the AI SDK as it is', async () => {
    const tools = adaptTools(corpusTools(), 'anthropic').tools
    const body = await bodySent((fetch) => createAnthropic({ apiKey: 'none', fetch })('claude-opus-5'), tools)
    expect(fieldOf(body['tools'], 'input_schema')).toEqual(tools.map(({ inputSchema }) => inputSchema))
  })

  it('reaches Google through the AI SDK as it is', async () => {
    const tools = adaptTools(corpusTools(), 'gemini').tools
    const body = await bodySent((fetch) => createGoogle({ apiKey: 'none', fetch })('gemini-3-flash'), tools)
    const [declarations] = fieldOf(body['tools'], 'functionDeclarations')
    expect(fieldOf(declarations, 'parametersJsonSchema')).toEqual(tools.map(({ inputSchema }) => inputSchema))
  })

  it('reaches Google through LangChain as it is', () => {
    const tools = adaptTools(corpusTools(), 'gemini').tools
    const model = new ChatGoogle({ model: 'gemini-3-flash', apiKey: 'none' })
    const parameters = model.invocationParams({
      tools: tools.map(({ name, description, inputSchema }) => ({
        type: 'function' as const,
        function: { name, description, parameters: inputSchema },
      })),
    })
    const [declarations] = fieldOf(parameters.tools, 'functionDeclarations')
    expect(fieldOf(declarations, 'parameters')).toEqual(tools.map(({ inputSchema }) => inputSchema))
  })
})

/** One of each name: a request must not have two. */
function corpusTools(): readonly UserTool[] {
  return [...new Map(corpus.map(({ tool }) => [tool.name, tool])).values()]
}

/** What the AI SDK sends for a request with these tools. */
async function bodySent(
  modelWith: (fetch: typeof globalThis.fetch) => LanguageModel,
  tools: readonly UserTool[],
): Promise<Record<string, unknown>> {
  let body: Record<string, unknown> = {}
  const model = modelWith(async (_, init) => {
    body = Object.fromEntries(Object.entries(JSON.parse(typeof init?.body === 'string' ? init.body : '{}')))
    return new Response('{}', { status: 400 })
  })
  const toolSet = Object.fromEntries(
    tools.map(({ name, description, inputSchema }) => [
      name,
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- MCP and the AI SDK type the same JSON Schema apart.
      aiTool({ description, inputSchema: jsonSchema(inputSchema as JSONSchema7) }),
    ]),
  )
  await generateText({ model, tools: toolSet, prompt: 'go', maxRetries: 0 }).catch(() => {})
  return body
}

function fieldOf(list: unknown, name: string): readonly unknown[] {
  return Array.isArray(list) ? list.map((each) => Reflect.get(Object(each), name)) : []
}

describe.each(PROFILES)('adaptTools for %s, over any schema', (profile) => {
  it('leaves a tool out and says why, or adapts it with nothing silent, valid, and the same the second time', () => {
    let kept = 0
    fc.assert(
      fc.property(anySchema, (schema) => {
        const { adapted, report } = adaptOne(recordingTool('tool', schema), profile)
        kept += adapted ? 1 : 0
        const isToldOrKept = adapted !== undefined || report.dropped.length === 1
        const problems = adapted ? profileProblems(adapted.inputSchema, profile) : []
        const silent = adapted ? silentChanges(schema, adapted.inputSchema, report.adapted) : []
        const again = adapted && adaptOne(adapted, profile).adapted?.inputSchema
        expect({ isToldOrKept, problems, silent, again }).toEqual({
          isToldOrKept: true,
          problems: [],
          silent: [],
          again: adapted?.inputSchema,
        })
      }),
      { numRuns: 300 },
    )
    expect(kept).toBeGreaterThan(200)
  })
})

describe.each(PROFILES)('adaptTools for %s, over the tools of published servers', (profile) => {
  const outcomes = corpus.map(({ server, tool }) => {
    const { adapted, report } = adaptOne(tool, profile)
    return { server, tool, adapted, report }
  })

  it('loses no tool', () => {
    expect(
      outcomes.filter(({ adapted }) => !adapted).map(({ server, tool, report }) => [server, tool.name, report.dropped]),
    ).toEqual([])
  })

  it('changes nothing silently', () => {
    const silent = outcomes.flatMap(({ server, tool, adapted, report }) => {
      const paths = silentChanges(tool.inputSchema, adapted?.inputSchema, report.adapted)
      return paths.length > 0 ? [`${server} ${tool.name}: ${paths.join(' ')}`] : []
    })
    expect(silent).toEqual([])
  })

  it('leaves every description a beginning of what it was', () => {
    for (const { tool, adapted } of outcomes) expect(adapted?.description.startsWith(tool.description)).toBe(true)
  })

  it("gives schemas that are valid by the provider's own rules", () => {
    const refused = outcomes.flatMap(({ server, tool, adapted }) =>
      profileProblems(adapted?.inputSchema, profile).map((problem) => `${server} ${tool.name}${problem}`),
    )
    expect(refused).toEqual([])
  })

  it('changes nothing the second time', () => {
    for (const { tool, adapted } of outcomes) {
      if (!adapted) continue
      const again = adaptOne(adapted, profile)
      expect({ name: tool.name, schema: again.adapted?.inputSchema, words: again.adapted?.description }).toEqual({
        name: tool.name,
        schema: adapted.inputSchema,
        words: adapted.description,
      })
    }
  })

  it('turns arguments for the adapted schema into those of the true one, but for what is reported', async () => {
    const wrong: string[] = []
    for (const { server, tool, adapted, report } of outcomes) {
      if (!adapted || adapted === tool) continue
      for (const args of fittingArguments(adapted.inputSchema, profile)) {
        await adapted.call(args)
        const problems = validationErrors(tool.inputSchema, tool.calls.at(-1))
        const isTold = ({ schemaPath }: Problem) => report.adapted.some(({ path }) => isAbout(schemaPath, path))
        const told = problems.filter(isTold)
        const unexplained = problems.filter(
          (problem) => !isTold(problem) && !told.some((other) => isOtherForm(problem, other)),
        )
        wrong.push(...unexplained.map(({ schemaPath, message }) => `${server} ${tool.name} ${schemaPath}: ${message}`))
      }
    }
    expect(wrong).toEqual([])
  })
})

const OPTIONS = { strict: false, logger: false, validateFormats: false, allErrors: true } as const
const validators = { draft7: new Ajv(OPTIONS), draft2020: new Ajv2020(OPTIONS) }
const compiled = new WeakMap<object, ValidateFunction>()

interface Problem {
  readonly schemaPath: string
  readonly message: string
}

/** What an independent validator has against them. */
function validationErrors(schema: object, args: unknown): readonly Problem[] {
  const validate = compiled.get(schema) ?? compile(schema)
  compiled.set(schema, validate)
  if (validate(args)) return []
  return (validate.errors ?? []).map(({ schemaPath, message = '' }) => ({
    schemaPath: schemaPath.replace(/^#/, ''),
    message,
  }))
}

function compile(schema: object): ValidateFunction {
  const isOld = '$schema' in schema && String(schema.$schema).includes('draft-07')
  // The dialect is told by the validator, which else looks for its meta-schema.
  const rest = Object.entries(schema).filter(([name]) => name !== '$schema')
  return (isOld ? validators.draft7 : validators.draft2020).compile(Object.fromEntries(rest))
}

/** What is made for a whole JSON Schema need not fit it; what is made for what OpenAI and Google take of it does. */
function fittingArguments(schema: object, profile: SchemaProfile): readonly Record<string, unknown>[] {
  const samples = fc.sample(argumentsFor(schema), { numRuns: 4, seed: 7 })
  if (profile === 'openai-strict' || profile === 'gemini') return samples
  return samples.filter((args) => validationErrors(schema, args).length === 0)
}

/** Whether a report tells of the rule that was broken, or of one that holds it. */
function isAbout(schemaPath: string, path: string): boolean {
  const holder = schemaPath.slice(0, schemaPath.lastIndexOf('/'))
  return path !== '' && (schemaPath.startsWith(path) || path.startsWith(holder))
}

/** Where one form of several was meant, the validator complains of the others, too. */
function isOtherForm({ schemaPath }: Problem, told: Problem): boolean {
  const [union] = /^.*?\/(anyOf|oneOf)(?=\/)/.exec(schemaPath) ?? []
  return union !== undefined && told.schemaPath.startsWith(union)
}
