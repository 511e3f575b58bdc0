import type { DiagnosedConnection, DiagnosedTool, DiagnosedUser } from '@latchkey/core'
import { count } from '../output.ts'
import { shown } from '../shown.ts'
import type { Finding } from './finding.ts'

const HOUR_MS = 60 * 60 * 1000
const SOON_MS = 24 * HOUR_MS

/** What the gateway says of one user, judged. `now` is the gateway's clock. */
export function examineUser(user: DiagnosedUser, now: Date): readonly Finding[] {
  const name = user.userIdentifier
  if (user.configs.length === 0) return [noInstance(name)]
  const findings = user.configs.flatMap(({ configName, hasInstance, connections }) => [
    ...(hasInstance ? [] : [noInstance(name, configName)]),
    ...connections.flatMap((connection) => examineConnection(connection, { name, configName, now })),
  ])
  return [...unique(findings), lastEvent(user, now)]
}

function noInstance(name: string, configName?: string): Finding {
  const of = configName === undefined ? '' : ` of the config ${JSON.stringify(configName)}`
  return {
    check: 'user.instance',
    level: 'warning',
    message: `User ${JSON.stringify(name)} has no MCP instance${of}: nobody has asked for one, or it was revoked.`,
    advice: `Check the spelling, or make one: latchkey connect ${name}`,
  }
}

interface About {
  readonly name: string
  readonly configName: string
  readonly now: Date
}

function examineConnection(connection: DiagnosedConnection, about: About): Finding[] {
  const subject = shown(connection.connectionName)
  const status = examineStatus(connection, about)
  if (status !== undefined) return [{ ...status, subject }]
  const { unavailable, tools } = connection
  const upstream: Finding =
    unavailable === undefined
      ? {
          check: 'connection.upstream',
          level: 'ok',
          message: `is ACTIVE, and ${count(tools.filter(({ name }) => name !== undefined).length, 'tool')} can be used.`,
        }
      : examineUpstream(unavailable, about)
  return [
    { ...upstream, subject },
    ...examineCredential(connection, about),
    ...tools.flatMap((tool) => examineTool(tool, subject, about)),
  ]
}

const STATUS_ADVICE: Readonly<Record<string, (name: string) => string>> = {
  PENDING_AUTH: (name) => `The user has to open a link: latchkey connect ${name}`,
  PENDING_VERIFICATION: () =>
    'The user has consented, and your app has not said yet that it is the user: does the page at userVerification.url call verifyUser? See docs/user-verification.md.',
  EXPIRED: (name) =>
    `The service does not take the grant any more, so the user has to consent again: latchkey connect ${name}`,
  DISCONNECTED: (name) => `It was removed on purpose. To have it back: latchkey connect ${name}`,
}

function examineStatus({ status, statusChangedAt }: DiagnosedConnection, { name }: About): Finding | undefined {
  if (status === 'ACTIVE') return undefined
  const since = statusChangedAt === undefined ? '' : ` since ${statusChangedAt.toISOString()}`
  return {
    check: 'connection.status',
    level: 'problem',
    message: `is ${shown(status)}${since}, so its tools are missing.`,
    advice: STATUS_ADVICE[status]?.(name) ?? 'This command does not know that status: is it older than the gateway?',
  }
}

function examineUpstream({ reason, message }: { reason: string; message: string }, { name }: About): Finding {
  const check = 'connection.upstream'
  const advice =
    {
      authorization_required: `The user has to consent again: latchkey connect ${name}`,
      invalid_response:
        'What it answers is not what an MCP server may answer. Is mcpServerUrl the MCP address, or is the command an MCP server, and what does its log say?',
      unreachable:
        'Is that server up, is mcpServerUrl right, and may the gateway reach it? Latchkey connects to public addresses only, unless it is on a loopback address itself. A program: does its command run when you type it in?',
    }[reason] ?? 'Look at the log of the gateway.'
  return {
    check,
    level: 'problem',
    message: `is ACTIVE, but gives no tools (${shown(reason)}): ${shown(message)}`,
    advice,
  }
}

function examineCredential(
  { connectionName, credential, refresh }: DiagnosedConnection,
  { name, now }: About,
): Finding[] {
  const check = 'connection.credential'
  const subject = shown(connectionName)
  const again = `When it ends the user has to consent again: latchkey connect ${name}`
  if (credential?.type === 'unreadable') {
    const message = 'has a credential that no key opens: the database was changed, or a key is missing.'
    return [
      {
        check,
        subject,
        level: 'problem',
        message,
        advice: `latchkey keys status; or the user connects again: latchkey connect ${name}`,
      },
    ]
  }
  if (refresh !== undefined) {
    const message = `could not renew its credential: it failed ${count(refresh.failures, 'time')}, the last time at ${refresh.failedAt?.toISOString() ?? 'some time'}.`
    return [
      {
        check,
        subject,
        level: 'problem',
        message,
        advice: `The gateway tries again by itself. Is the service's authorization server up? ${again}`,
      },
    ]
  }
  const end = credential?.expiresAt
  if (credential === undefined || end === undefined || credential.isRenewable) return []
  const left = end.getTime() - now.getTime()
  if (left > SOON_MS) return []
  const message =
    left > 0
      ? `has a credential that ends at ${end.toISOString()} and cannot be renewed.`
      : `has a credential that ended at ${end.toISOString()}, and no way to renew it.`
  const advice = `The service gave no refresh token; ask it for offline access with the scopes of the connection. ${again}`
  return [{ check, subject, level: left > 0 ? 'warning' : 'problem', message, advice }]
}

const RENAMED: Readonly<Record<string, string>> = {
  unsafe_characters: 'it has characters that model providers refuse',
  too_long: 'it is longer than the 64 characters that model providers take',
  ambiguous: 'it could be mistaken for a name that was changed',
}

const REFUSED: Readonly<Record<string, string>> = {
  too_deep: 'its schema nests deeper than 64 levels',
  too_many_schemas: 'its schema has more than 5,000 schemas in it',
  too_long: 'it is longer than 256 KiB',
}

function examineTool(
  { upstreamName, name, problem, reason = '', suggestion }: DiagnosedTool,
  connection: string,
  { configName }: About,
): Finding[] {
  const subject = `${connection}: ${shown(upstreamName)}`
  if (problem === 'missing') {
    const message = `is allowed by the config ${JSON.stringify(configName)}, but the service has no such tool.`
    const advice =
      suggestion === undefined
        ? 'Was it renamed there, or may this account not use it? Change the config.'
        : `Did you mean ${JSON.stringify(shown(suggestion))}? Change the config.`
    return [{ check: 'tool.missing', subject, level: 'problem', message, advice }]
  }
  if (problem === 'refused') {
    const message = `is left out of the list of tools, for ${REFUSED[reason] ?? shown(reason)}.`
    const advice = 'Tell whoever runs the service: no model provider takes a schema like this.'
    return [{ check: 'tool.refused', subject, level: 'problem', message, advice }]
  }
  if (problem !== 'renamed') return []
  const message = `is called ${shown(name ?? '')} at the endpoint, for ${RENAMED[reason] ?? shown(reason)}.`
  return [
    {
      check: 'tool.renamed',
      subject,
      level: 'note',
      message,
      advice: 'Agents use the new name, which stays the same.',
    },
  ]
}

function lastEvent({ lastEventAt }: DiagnosedUser, now: Date): Finding {
  const check = 'user.last_event'
  if (lastEventAt === undefined)
    return { check, level: 'note', message: 'No status of this user has changed within the last 30 days.' }
  const hours = Math.floor((now.getTime() - lastEventAt.getTime()) / HOUR_MS)
  const ago =
    hours < 1
      ? 'within the last hour'
      : hours < 48
        ? `${count(hours, 'hour')} ago`
        : `${Math.floor(hours / 24)} days ago`
  return { check, level: 'note', message: `The last change of status was ${ago} (${lastEventAt.toISOString()}).` }
}

/** Two configs with the same connection need not say the same twice. */
function unique(findings: readonly Finding[]): readonly Finding[] {
  return [...new Map(findings.map((finding) => [JSON.stringify(finding), finding])).values()]
}
