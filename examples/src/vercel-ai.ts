/** One user's tools in the AI SDK: node vercel-ai.ts user_123 "Find the mail about the offsite." */
import { openai } from '@ai-sdk/openai'
import { getUserTools } from '@latchkey/vercel-ai'
import { generateText, isStepCount } from 'ai'

const [userIdentifier = 'user_123', prompt = 'Find the mail about the offsite.'] = process.argv.slice(2)
const tools = await getUserTools(userIdentifier, {
  onAuthorizationRequired: (connections) =>
    connections.forEach((one) => console.log(`Connect ${one.connectionName}: ${one.authenticationLink}`)),
})
const { text } = await generateText({ model: openai('gpt-5'), prompt, tools, stopWhen: isStepCount(10) })
console.log(text)
