/**
 * One user's tools in the AI SDK. Start a gateway, set LATCHKEY_URL, LATCHKEY_CLIENT_ID, LATCHKEY_CLIENT_SECRET and
 * LATCHKEY_CONFIG, then: node vercel-ai.ts user_123 "Find the mail about the offsite."
 */
import { openai } from '@ai-sdk/openai'
import { getUserTools } from '@latchkey/vercel-ai'
import { generateText, isStepCount } from 'ai'
import { MockLanguageModelV4 } from 'ai/test'

const [userIdentifier = 'user_123', prompt = 'What can you do for me?'] = process.argv.slice(2)

const tools = await getUserTools(userIdentifier, {
  onAuthorizationRequired: (connections) => {
    for (const { connectionName, authenticationLink } of connections) {
      console.log(`Connect ${connectionName}: ${authenticationLink}`)
    }
  },
})

// Without a key, the framework's scripted model: it says which tools it was given.
const scripted = new MockLanguageModelV4({
  doGenerate: {
    content: [{ type: 'text', text: `I have ${Object.keys(tools).join(', ')}.` }],
    finishReason: { unified: 'stop', raw: undefined },
    usage: {
      inputTokens: { total: 0, noCache: 0, cacheRead: 0, cacheWrite: 0 },
      outputTokens: { total: 0, text: 0, reasoning: 0 },
    },
    warnings: [],
  },
})
const model = process.env['OPENAI_API_KEY'] ? openai('gpt-5') : scripted

const { text } = await generateText({ model, prompt, tools, stopWhen: isStepCount(10) })
console.log(text)
