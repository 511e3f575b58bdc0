/**
 * One user's tools in a LangChain agent. Start a gateway, set LATCHKEY_URL, LATCHKEY_CLIENT_ID, LATCHKEY_CLIENT_SECRET
 * and LATCHKEY_CONFIG, then: node langchain.ts user_123 "Find the mail about the offsite."
 */
import { ChatOpenAI } from '@langchain/openai'
import { getUserTools } from '@latchkey/langchain'
import { AIMessage, createAgent, fakeModel } from 'langchain'

const [userIdentifier = 'user_123', task = 'What can you do for me?'] = process.argv.slice(2)

const tools = await getUserTools(userIdentifier, {
  onAuthorizationRequired: (connections) => {
    for (const { connectionName, authenticationLink } of connections) {
      console.log(`Connect ${connectionName}: ${authenticationLink}`)
    }
  },
})

// Without a key, the framework's scripted model: it says which tools it was given.
const scripted = () => fakeModel().respond(new AIMessage(`I have ${tools.map(({ name }) => name).join(', ')}.`))
const model = process.env['OPENAI_API_KEY'] ? new ChatOpenAI({ model: 'gpt-5', useResponsesApi: true }) : scripted()

const { messages } = await createAgent({ model, tools }).invoke({ messages: [{ role: 'user', content: task }] })
console.log(messages.at(-1)?.text)
