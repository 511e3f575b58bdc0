import { fact, section } from '../../world/print.ts'
import { ALLOWED_TOOLS, CONFIG_NAME } from '../world.ts'

/** 2. What an agent with this MCP config may use. */
export function showConfig(): void {
  section(2, `The MCP config "${CONFIG_NAME}" says what an agent may use`)
  for (const [connection, tools] of Object.entries(ALLOWED_TOOLS)) {
    const leftOut = connection === 'mail' ? 'and not delete_mail, which the service offers too' : ''
    fact(connection, tools === '*' ? 'every tool' : tools.join(', '), leftOut)
  }
}
