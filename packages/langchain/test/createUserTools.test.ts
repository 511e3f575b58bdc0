import { ChatOpenAI } from '@langchain/openai'
import { AIMessage, HumanMessage, isDataContentBlock, type ToolMessage } from '@langchain/core/messages'
import type { UserTool, UserTools } from '@latchkey/core'
import { describe, expect, it } from 'vitest'

import { createUserTools, LatchkeyError, type UserToolsForLangChainOptions } from '../src/index.ts'

type Result = Awaited<ReturnType<UserTool['call']>>

const CALL = { type: 'tool_call' as const, id: 'call_1', name: 'look', args: {} }
const data = Buffer.from('bytes').toString('base64')
const mixed: Result = {
  content: [
    { type: 'text', text: 'a chart' },
    { type: 'image', mimeType: 'image/png', data },
    { type: 'audio', mimeType: 'audio/wav', data },
    { type: 'resource', resource: { uri: 'file:///report.pdf', mimeType: 'application/pdf', blob: data } },
  ],
}

async function lookTool(call: UserTool['call'], options?: UserToolsForLangChainOptions) {
  const look: UserTool = {
    name: 'look',
    mcpName: 'look',
    title: undefined,
    description: 'Looks',
    inputSchema: { type: 'object' },
    outputSchema: undefined,
    annotations: { readOnlyHint: true },
    call,
  }
  const userTools: UserTools = { tools: [look], report: { renamed: [], dropped: [], unavailable: [] }, missing: [] }
  const [tool] = await createUserTools({ userTools: async () => userTools })('user_123', options)
  if (tool === undefined) throw new Error('There is no tool.')
  return tool
}

/** What `ChatOpenAI` puts on the wire for a tool's result. */
async function sentToOpenAi(message: ToolMessage): Promise<unknown> {
  const bodies: { input?: unknown[] }[] = []
  const model = new ChatOpenAI({
    model: 'gpt-5',
    apiKey: 'no-key',
    useResponsesApi: true,
    configuration: {
      fetch: async (_, init) => {
        if (typeof init?.body === 'string') bodies.push(JSON.parse(init.body))
        return Response.json({ id: 'r', object: 'response', status: 'completed', model: 'gpt-5', output: [] })
      },
    },
  })
  await model.invoke([new HumanMessage('go'), new AIMessage({ content: '', tool_calls: [CALL] }), message])
  return bodies[0]?.input?.at(-1)
}

describe('createUserTools', () => {
  it.each([
    [
      'throws',
      () => {
        throw new Error('no pager')
      },
    ],
    ['rejects', () => Promise.reject(new Error('no pager'))],
    ['never ends', () => new Promise(() => {})],
  ])('gives the app the error of the call when onAuthorizationRequired %s', async (_how, onAuthorizationRequired) => {
    const error = new LatchkeyError('authorization_required', 'mail has to be authorized')
    const tool = await lookTool(() => Promise.reject(error), { onAuthorizationRequired })
    expect(await tool.invoke(CALL)).toMatchObject({ status: 'error', artifact: error })
  })

  it('refuses a toolTimeoutMs that is no time span by its name', async () => {
    const made = lookTool(async () => ({ content: [] }), { toolTimeoutMs: Number.NaN })
    await expect(made).rejects.toThrow(/`toolTimeoutMs`/)
  })

  it.each([
    ['authorizationTimeoutMs', { authorizationTimeoutMs: -1 }],
    ['consent', { consent: 'wait' as const }],
  ])('refuses a mistake in %s by its name', async (name, options) => {
    await expect(lookTool(async () => ({ content: [] }), options)).rejects.toThrow(new RegExp(`\`${name}`))
  })

  it('lets the call wait for the consent when that is asked for, and tells the app once', async () => {
    let told = 0
    const waited: unknown[] = []
    const call: UserTool['call'] = async (_args, { onAuthorizationRequired, authorizationTimeoutMs } = {}) => {
      waited.push(authorizationTimeoutMs)
      await onAuthorizationRequired?.([])
      return { content: [{ type: 'text', text: 'sent' }] }
    }
    const onAuthorizationRequired = () => void (told += 1)
    const options = { consent: 'wait' as const, authorizationTimeoutMs: 7, onAuthorizationRequired }
    await (await lookTool(call, options)).invoke(CALL)
    await (await lookTool(call, { onAuthorizationRequired })).invoke(CALL)
    expect([waited, told]).toEqual([[7, undefined], 1])
  })

  it("gives OpenAI's Responses API words and images as the result of the call, and other files in words", async () => {
    const tool = await lookTool(async () => mixed)
    expect(await sentToOpenAi(await tool.invoke(CALL))).toEqual({
      type: 'function_call_output',
      call_id: 'call_1',
      output: [
        { type: 'input_text', text: 'a chart' },
        { type: 'input_image', detail: 'auto', image_url: `data:image/png;base64,${data}` },
        { type: 'input_text', text: expect.stringContaining('audio/wav') },
        { type: 'input_text', text: expect.stringContaining('report.pdf (application/pdf)') },
      ],
    })
  })

  it("gives OpenAI's Responses API plain text when the result is text", async () => {
    const tool = await lookTool(async () => ({ content: [{ type: 'text', text: 'three mails' }] }))
    expect(await sentToOpenAi(await tool.invoke(CALL))).toEqual({
      type: 'function_call_output',
      call_id: 'call_1',
      output: 'three mails',
    })
  })

  it("gives an image in the form that every provider's converter takes in a tool result", async () => {
    const message: ToolMessage = await (await lookTool(async () => mixed)).invoke(CALL)
    const blocks = Array.isArray(message.content) ? message.content : []
    expect(blocks.map((block) => block.type === 'text' || isDataContentBlock(block))).toEqual([true, true, true, true])
  })

  it('gives standard content blocks of every kind that the app lets through', async () => {
    const tool = await lookTool(async () => mixed, { attach: () => true })
    const message: ToolMessage = await tool.invoke(CALL)
    expect(message.contentBlocks).toMatchObject([
      { type: 'text', text: 'a chart' },
      { type: 'image', mimeType: 'image/png', data },
      { type: 'audio', mimeType: 'audio/wav', data },
      { type: 'file', mimeType: 'application/pdf', data, metadata: { filename: 'report.pdf' } },
    ])
  })

  it('gives the content itself when a tool is invoked without a tool call', async () => {
    const tool = await lookTool(async () => ({ content: [{ type: 'text', text: 'three mails' }] }))
    expect(await tool.invoke({})).toBe('three mails')
  })

  it('throws what is no answer to the model, so that a bug is not taken for one', async () => {
    const tool = await lookTool(() => Promise.reject(new RangeError('a bug')))
    await expect(tool.invoke(CALL)).rejects.toThrow(RangeError)
  })

  it('passes on what the upstream claims about a tool', async () => {
    const tool = await lookTool(async () => mixed)
    expect(tool.metadata).toMatchObject({ mcpName: 'look', annotations: { readOnlyHint: true } })
  })
})
