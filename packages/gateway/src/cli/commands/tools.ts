import { connectGateway, type ConnectedGateway, type GatewayAccess } from '../connectGateway.ts'
import { withConnectHint } from '../withConnectHint.ts'
import { interrupted } from '../interrupted.ts'
import { count, createOutput, type Output, paint } from '../output.ts'
import { shown } from '../shown.ts'
import { table } from '../table.ts'

type UserTools = Awaited<ReturnType<ConnectedGateway['latchkey']['userTools']>>

/** `latchkey tools <user>`: what an agent of this user gets, and what it does not get. */
export async function tools(userIdentifier: string, options: GatewayAccess): Promise<void> {
  const output = createOutput(options)
  using stop = interrupted()
  await using gateway = connectGateway(options)
  const config = await gateway.configName()
  const found = await withConnectHint(userIdentifier, () =>
    gateway.latchkey.userTools(userIdentifier, { config, signal: stop.signal }),
  )
  print(output, found)
  output.json({
    user: userIdentifier,
    config,
    tools: found.tools.map(({ name, mcpName, title, description, inputSchema, annotations }) => ({
      name,
      mcpName,
      title,
      description,
      inputSchema,
      annotations,
    })),
    report: found.report,
  })
}

function print(output: Output, { tools: found, report }: UserTools): void {
  const rows = found.map(({ name, description }) => [name, firstSentence(description)])
  const [head = '', ...lines] = table(['tool', 'what it does'], rows)
  if (rows.length > 0) output.line(paint('dim', head))
  for (const line of lines) output.line(line)
  output.line(paint('dim', count(found.length, 'tool')))
  for (const { mcpName, name } of report.renamed) output.line(`renamed: ${shown(mcpName)} is called ${name}`)
  for (const { mcpName, reason } of report.dropped) output.line(`left out: ${shown(mcpName)}: ${shown(reason)}`)
  for (const { connection, reason } of report.unavailable) {
    output.line(paint('yellow', `missing: the tools of ${shown(connection)}: ${shown(reason)}. Ask: latchkey doctor`))
  }
}

const LONGEST = 100

function firstSentence(description: string): string {
  const [first = ''] = shown(description).split(/(?<=[.!?]) /)
  return first.length > LONGEST ? `${first.slice(0, LONGEST - 1)}…` : first
}
