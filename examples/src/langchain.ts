/** One user's tools in a LangChain agent: node langchain.ts user_123 "Find the mail about the offsite." */
import { getUserTools } from '@latchkey/langchain'
import { ChatOpenAI } from '@langchain/openai'
import { createAgent } from 'langchain'

const [userIdentifier = 'user_123', content = 'Find the mail about the offsite.'] = process.argv.slice(2)
const tools = await getUserTools(userIdentifier, {
  onAuthorizationRequired: (connections) =>
    connections.forEach((one) => console.log(`Connect ${one.connectionName}: ${one.authenticationLink}`)),
})
const agent = createAgent({ model: new ChatOpenAI({ model: 'gpt-5', useResponsesApi: true }), tools })
const { messages } = await agent.invoke({ messages: [{ role: 'user', content }] })
console.log(messages.at(-1)?.text)
