import type { ConnectionState } from '@latchkey/core'
import { CommandError } from '../commandError.ts'
import { connectGateway, type GatewayAccess } from '../connectGateway.ts'
import { EXIT } from '../exitCodes.ts'
import { interrupted } from '../interrupted.ts'
import { createOutput, type Output, paint } from '../output.ts'
import { shown } from '../shown.ts'

export interface ConnectOptions extends GatewayAccess {
  readonly open?: boolean | undefined
  readonly wait: boolean
  readonly timeout: string
}

/** `latchkey connect <user>`: shows (or opens) what the user has to authorize, and waits until the tools are there. */
export async function connect(userIdentifier: string, options: ConnectOptions): Promise<void> {
  const output = createOutput(options)
  const timeoutMs = readSeconds(options.timeout) * 1000
  using stop = interrupted()
  await using gateway = connectGateway(options)
  const config = await gateway.configName()
  const subject = { user: userIdentifier, config }
  if (!options.wait) {
    const { id } = await gateway.latchkey.ensureInstance(userIdentifier, { config, signal: stop.signal })
    const states = await gateway.latchkey.getAuthState(id, { includeAuthLinks: true, signal: stop.signal })
    const pending = states.filter(({ isActive }) => !isActive)
    await show(output, subject, pending, options)
    if (pending.length > 0) process.exitCode = EXIT.authorization
    return
  }
  const onAuthorizationRequired = async (pending: readonly ConnectionState[]) => {
    await show(output, subject, pending, options)
    output.note(`Waiting until that is done, for ${options.timeout} s at most. Stop with Ctrl-C: the links stay good.`)
  }
  await gateway.latchkey.ready(userIdentifier, { config, timeoutMs, signal: stop.signal, onAuthorizationRequired })
  output.line(paint('green', `User ${JSON.stringify(userIdentifier)} is connected, and the tools answer.`))
  output.jsonLine({ type: 'ready', ...subject })
}

async function show(
  output: Output,
  subject: { readonly user: string; readonly config: string },
  pending: readonly ConnectionState[],
  { open = false }: ConnectOptions,
): Promise<void> {
  if (pending.length === 0) return output.line('Nothing is left to connect.')
  for (const { connectionName, status, authenticationLink: link, authenticationLinkExpiresAt: end } of pending) {
    const until = end === undefined ? '' : paint('dim', `, until ${end.toLocaleTimeString()}`)
    output.line(`${shown(connectionName)} (${shown(status)})${until}\n  ${link ?? 'no link can be had for it'}`)
    if (open && link !== undefined) await openLink(link)
  }
  const connections = pending.map(({ connectionName, status, authenticationLink, authenticationLinkExpiresAt }) => ({
    connection: connectionName,
    status,
    authenticationLink,
    expiresAt: authenticationLinkExpiresAt?.toISOString(),
  }))
  output.jsonLine({ type: 'authorization_required', ...subject, connections })
}

async function openLink(link: string): Promise<void> {
  const { default: openInBrowser } = await import('open')
  await openInBrowser(link)
}

function readSeconds(seconds: string): number {
  if (/^[1-9]\d{0,5}$/.test(seconds)) return Number(seconds)
  throw new CommandError(EXIT.usage, 'usage', `--timeout ${seconds} is not a number of seconds.`)
}
