import type { UserTool, UserTools } from '@latchkey/core'
import { generateText, isStepCount } from 'ai'
import { MockLanguageModelV4 } from 'ai/test'
import { describe, expect, it } from 'vitest'

import { createUserTools, LatchkeyError, type UserToolsForAiSdkOptions } from '../src/index.ts'

type Result = Awaited<ReturnType<UserTool['call']>>

const data = Buffer.from('bytes').toString('base64')

/** Runs a scripted model that calls the tool once with this input, and then stops. */
async function run(call: UserTool['call'], input = '{}', options?: UserToolsForAiSdkOptions) {
  const look: UserTool = {
    name: 'look',
    mcpName: 'look',
    title: 'Look',
    description: 'Looks',
    inputSchema: { type: 'object' },
    outputSchema: undefined,
    annotations: { readOnlyHint: true },
    call,
  }
  const userTools: UserTools = { tools: [look], report: { renamed: [], dropped: [], unavailable: [] }, missing: [] }
  const model = new MockLanguageModelV4({
    doGenerate: async ({ prompt }) => {
      const isFirst = prompt.every(({ role }) => role !== 'tool')
      return {
        content: isFirst
          ? [{ type: 'tool-call', toolCallId: 'call_1', toolName: 'look', input }]
          : [{ type: 'text', text: 'done' }],
        finishReason: { unified: isFirst ? 'tool-calls' : 'stop', raw: undefined },
        usage: {
          inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
          outputTokens: { total: 1, text: 1, reasoning: 0 },
        },
        warnings: [],
      }
    },
  })
  const tools = await createUserTools({ userTools: async () => userTools })('user_123', options)
  const { steps } = await generateText({ model, tools, prompt: 'go', stopWhen: isStepCount(3) })
  const seen = model.doGenerateCalls.at(-1)?.prompt.at(-1)?.content.at(-1)
  const output = typeof seen === 'object' && seen.type === 'tool-result' ? seen.output : undefined
  return { parts: steps[0]?.content ?? [], output }
}

describe('createUserTools', () => {
  it('gives the model words as text and everything else as file parts', async () => {
    const result: Result = {
      content: [
        { type: 'text', text: 'a chart' },
        { type: 'image', mimeType: 'image/png', data },
        { type: 'audio', mimeType: 'audio/wav', data },
        { type: 'resource', resource: { uri: 'file:///report.pdf', mimeType: 'application/pdf', blob: data } },
      ],
    }
    const { output, parts } = await run(async () => result)
    expect(output).toMatchObject({
      type: 'content',
      value: [
        { type: 'text', text: 'a chart' },
        { type: 'file', mediaType: 'image/png', data: { type: 'data', data } },
        { type: 'file', mediaType: 'audio/wav', data: { type: 'data', data } },
        { type: 'file', mediaType: 'application/pdf', filename: 'report.pdf', data: { type: 'data', data } },
      ],
    })
    expect(parts).toContainEqual(expect.objectContaining({ type: 'tool-result', output: result }))
  })

  it('gives the app the same error object in a tool-error part when a call throws', async () => {
    const error = new RangeError('no luck')
    const { parts, output } = await run(() => Promise.reject(error))
    expect(parts.flatMap((part) => (part.type === 'tool-error' ? [part.error] : []))).toEqual([error])
    expect(output).toEqual({ type: 'error-text', value: 'RangeError: no luck' })
  })

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
    const { parts } = await run(() => Promise.reject(error), '{}', { onAuthorizationRequired })
    expect(parts.flatMap((part) => (part.type === 'tool-error' ? [part.error] : []))).toEqual([error])
  })

  it('refuses a toolTimeoutMs that is no time span by its name', async () => {
    const made = run(async () => ({ content: [] }), '{}', { toolTimeoutMs: Number.NaN })
    await expect(made).rejects.toThrow(/`toolTimeoutMs`/)
  })

  it.each([
    ['authorizationTimeoutMs', { authorizationTimeoutMs: -1 }],
    ['consent', { consent: 'wait' as const }],
  ])('refuses a mistake in %s by its name', async (name, options) => {
    await expect(run(async () => ({ content: [] }), '{}', options)).rejects.toThrow(new RegExp(`\`${name}`))
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
    await run(call, '{}', { consent: 'wait', authorizationTimeoutMs: 7, onAuthorizationRequired })
    await run(call, '{}', { onAuthorizationRequired })
    expect([waited, told]).toEqual([[7, undefined], 1])
  })

  it("gives the app the MCP result as the error's cause when the tool itself reports an error", async () => {
    const result: Result = { isError: true, content: [] }
    const { parts, output } = await run(async () => result)
    expect(parts).toContainEqual(
      expect.objectContaining({ type: 'tool-error', error: expect.objectContaining({ cause: result }) }),
    )
    expect(output).toEqual({ type: 'error-text', value: 'Error: The tool failed without giving a reason.' })
  })

  it('does not call the tool when its arguments are no object', async () => {
    let calls = 0
    const { output } = await run(async () => {
      calls += 1
      return { content: [] }
    }, '[1]')
    expect(calls).toBe(0)
    expect(output).toMatchObject({ type: 'error-text' })
  })

  it('passes on what the upstream claims about a tool', async () => {
    const { parts } = await run(async () => ({ content: [] }))
    expect(parts).toContainEqual(
      expect.objectContaining({
        type: 'tool-call',
        toolMetadata: { mcpName: 'look', title: 'Look', annotations: { readOnlyHint: true } },
      }),
    )
  })
})
