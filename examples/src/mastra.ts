/** One user's tools in a Mastra agent: node mastra.ts user_123 "Find the mail about the offsite." */
import { getUserTools } from '@latchkey/mastra'
import { Agent } from '@mastra/core/agent'

const [userIdentifier = 'user_123', prompt = 'Find the mail about the offsite.'] = process.argv.slice(2)
const tools = await getUserTools(userIdentifier, {
  onAuthorizationRequired: (connections) =>
    connections.forEach((one) => console.log(`Connect ${one.connectionName}: ${one.authenticationLink}`)),
})
const agent = new Agent({ id: 'mail', name: 'Mail', instructions: 'Help with mail.', model: 'openai/gpt-5', tools })
const { text } = await agent.generate(prompt)
console.log(text)
