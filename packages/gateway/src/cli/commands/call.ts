import { resultParts, type ToolResult, type UserTool } from '@latchkey/core'
import { text as readText } from 'node:stream/consumers'
import { suggest } from '../../config/suggest.ts'
import { CommandError } from '../commandError.ts'
import { connectGateway, type GatewayAccess } from '../connectGateway.ts'
import { EXIT } from '../exitCodes.ts'
import { interrupted } from '../interrupted.ts'
import { createOutput, type Output, paint } from '../output.ts'
import { shown, shownLines } from '../shown.ts'
import { withConnectHint } from '../withConnectHint.ts'

/** `latchkey call <user> <tool> [arguments]`: calls a tool once, as the user's agent would. */
export async function call(
  userIdentifier: string,
  toolName: string,
  given: string | undefined,
  options: GatewayAccess,
): Promise<void> {
  const output = createOutput(options)
  const args = readArguments(given === '-' ? await readText(process.stdin) : (given ?? '{}'))
  using stop = interrupted()
  const { signal } = stop
  await using gateway = connectGateway(options)
  const config = await gateway.configName()
  const result = await withConnectHint(userIdentifier, async () => {
    const { tools } = await gateway.latchkey.userTools(userIdentifier, { config, signal })
    return await find(tools, toolName, userIdentifier).call(args, { signal })
  })
  print(output, result)
  output.json(result)
  if (result.isError === true) {
    output.note(`latchkey: the tool ${toolName} answered with an error.`)
    process.exitCode = EXIT.failed
  }
}

function find(tools: readonly UserTool[], name: string, userIdentifier: string): UserTool {
  const found = tools.find((tool) => tool.name === name) ?? tools.find((tool) => tool.mcpName === name)
  if (found !== undefined) return found
  const names = tools.map((tool) => tool.name)
  // With several connections their names come first; most people type the rest.
  const near = names.find((known) => known.endsWith(`__${name}`)) ?? suggest(name, names)
  const hint = near === undefined ? `See: latchkey tools ${userIdentifier}` : `Did you mean ${near}?`
  throw new CommandError(
    EXIT.notFound,
    'unknown_tool',
    `User ${JSON.stringify(userIdentifier)} has no tool ${JSON.stringify(name)}. ${hint}`,
  )
}

function readArguments(json: string): Record<string, unknown> {
  const value = parse(json)
  if (isRecord(value)) return value
  throw new CommandError(
    EXIT.usage,
    'usage',
    `The tool's arguments are not a JSON object, such as '{"query": "offsite"}'.`,
  )
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function print(output: Output, result: ToolResult): void {
  for (const part of resultParts(result)) {
    if (part.type === 'text') output.line(shownLines(part.text))
    else
      output.line(
        paint('dim', `[${shown(part.mimeType)}, ${Buffer.byteLength(part.data, 'base64')} bytes; with --json in full]`),
      )
  }
}
