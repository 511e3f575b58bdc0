/** One user's tools in the OpenAI Agents SDK: node openai-agents.ts user_123 "Find the mail about the offsite." */
import { getUserTools } from '@latchkey/openai-agents'
import { Agent, run } from '@openai/agents'

const [userIdentifier = 'user_123', prompt = 'Find the mail about the offsite.'] = process.argv.slice(2)
const tools = await getUserTools(userIdentifier, {
  onAuthorizationRequired: (connections) =>
    connections.forEach((one) => console.log(`Connect ${one.connectionName}: ${one.authenticationLink}`)),
})
const { finalOutput } = await run(new Agent({ name: 'Mail', model: 'gpt-5', tools }), prompt)
console.log(finalOutput)
