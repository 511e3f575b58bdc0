import type { UserRevocation } from '@latchkey/core'
import { confirm } from '../confirm.ts'
import { connectGateway, type GatewayAccess } from '../connectGateway.ts'
import { interrupted } from '../interrupted.ts'
import { count, createOutput, type Output, paint } from '../output.ts'
import { shown } from '../shown.ts'
import { table } from '../table.ts'

export interface RevokeOptions extends GatewayAccess {
  readonly yes?: boolean | undefined
}

const OUTCOMES: Readonly<Record<string, string>> = {
  revoked: 'revoked at the provider too',
  not_offered: 'the provider takes no such word: the grant ends when it expires there',
  failed: 'the provider could not be told: the grant may live on there until it expires',
  not_applicable: 'removed here; an API key lives on at its service',
}

/** `latchkey revoke <user>`: ends everything of a user, and prints what was done. */
export async function revoke(userIdentifier: string, options: RevokeOptions): Promise<void> {
  const output = createOutput(options)
  await using gateway = connectGateway(options)
  const question = `This ends everything of user ${JSON.stringify(userIdentifier)}: URLs, tokens, calls under way, all connected accounts.`
  await confirm(question, options)
  using stop = interrupted()
  const receipt = await gateway.latchkey.revokeUser(userIdentifier, { signal: stop.signal })
  print(output, receipt)
  output.json({ ...receipt, revokedAt: receipt.revokedAt.toISOString() })
}

function print(output: Output, { userIdentifier, revokedAt, ...receipt }: UserRevocation): void {
  output.line(`User ${JSON.stringify(userIdentifier)} was revoked on ${revokedAt.toISOString()}.`)
  output.line('  session tokens: all dead')
  output.line(`  ${count(receipt.instancesDeleted, 'MCP instance')} deleted, with their URLs`)
  output.line(`  ${count(receipt.linksCancelled, 'authentication link')} cancelled`)
  output.line(`  ${count(receipt.connectedAccounts.length, 'connected account')} removed`)
  const rows = receipt.connectedAccounts.map(({ connectionName, upstreamRevocation: outcome }) => [
    shown(connectionName),
    OUTCOMES[outcome] ?? shown(outcome),
  ])
  if (rows.length === 0) return
  const [head = '', ...lines] = table(['connection', 'outcome'], rows)
  for (const line of [paint('dim', head), ...lines]) output.line(`  ${line}`)
}
