import { describe, expect, it } from 'vitest'
import { schemaProfileFor } from '../src/index.ts'

class ChatOpenAI {
  readonly model = 'my-deployment'
}

describe('schemaProfileFor', () => {
  it.each([
    ['gpt-5', 'openai'],
    ['o4-mini', 'openai'],
    ['openai/gpt-5', 'openai'],
    ['openai:gpt-5', 'openai'],
    ['claude-opus-5', 'anthropic'],
    ['anthropic/claude-opus-5', 'anthropic'],
    ['us.anthropic.claude-opus-5-v1:0', 'anthropic'],
    ['google-genai:gemini-3-flash', 'gemini'],
    ['google/gemini-3-flash', 'gemini'],
    [{ provider: 'openai.responses', modelId: 'gpt-5' }, 'openai'],
    [{ provider: 'azure.chat', modelId: 'my-deployment' }, 'openai'],
    [{ provider: 'anthropic.messages', modelId: 'claude-opus-5' }, 'anthropic'],
    [{ provider: 'google.vertex.anthropic.messages', modelId: 'claude-opus-5' }, 'anthropic'],
    [{ provider: 'google.generative-ai', modelId: 'gemini-3-flash' }, 'gemini'],
    [{ provider: 'openrouter', modelId: 'anthropic/claude-opus-5' }, 'anthropic'],
    [new ChatOpenAI(), 'openai'],
    [{ lc_id: ['langchain', 'chat_models', 'anthropic', 'ChatAnthropic'], model: 'my-model' }, 'anthropic'],
    [{ bound: new ChatOpenAI() }, 'openai'],
    [{ _defaultConfig: { model: 'gemini-3-flash', modelProvider: 'google-genai' } }, 'gemini'],
    ['mistral-large', undefined],
    ['olmo-3', undefined],
    [{ provider: 'mock-provider', modelId: 'mock-model-id' }, undefined],
    [undefined, undefined],
    [null, undefined],
    [7, undefined],
  ])('tells of %j that it is %s', (model, profile) => {
    expect(schemaProfileFor(model)).toBe(profile)
  })
})
