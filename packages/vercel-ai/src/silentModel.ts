import type { LanguageModel } from 'ai'

type SilentModel = Extract<LanguageModel, { specificationVersion: 'v4' }>

const END = {
  finishReason: { unified: 'stop' as const, raw: undefined },
  usage: {
    inputTokens: { total: 0, noCache: 0, cacheRead: 0, cacheWrite: 0 },
    outputTokens: { total: 0, text: 0, reasoning: 0 },
  },
}

/** A model that says nothing, and so ends a run without that a provider is asked. */
export const silentModel: SilentModel = {
  specificationVersion: 'v4',
  provider: 'latchkey',
  modelId: 'silent',
  supportedUrls: {},
  doGenerate: async () => ({ content: [], warnings: [], ...END }),
  doStream: async () => ({
    stream: new ReadableStream({
      start(controller) {
        controller.enqueue({ type: 'stream-start', warnings: [] })
        controller.enqueue({ type: 'finish', ...END })
        controller.close()
      },
    }),
  }),
}
