import { LatchkeyError, type Diagnosis } from '@latchkey/core'
import { connectGateway, type ConnectedGateway, type GatewayAccess } from '../connectGateway.ts'
import { compareWithGateway, examineConfigFile, type ExaminedFile } from '../doctor/examineConfigFile.ts'
import { examineAddress } from '../doctor/examineAddress.ts'
import { examineGateway } from '../doctor/examineGateway.ts'
import { examineUser } from '../doctor/examineUser.ts'
import type { Finding } from '../doctor/finding.ts'
import { EXIT } from '../exitCodes.ts'
import { interrupted } from '../interrupted.ts'
import { loadEnvironment } from '../loadEnvironment.ts'
import { count, createOutput, type Output, paint } from '../output.ts'

export interface DoctorOptions extends GatewayAccess {
  readonly config?: string | undefined
}

/** How long an event stream may take to begin. A gateway begins one at once; a proxy that collects answers does not. */
const EVENTS_WITHIN_MS = 5_000
/** Of nobody: an event stream of a user without accounts makes nothing. */
const NOBODY = 'latchkey-doctor'

/** `latchkey doctor [user]`: looks at everything that commonly goes wrong, and says what to do. Changes nothing. */
export async function doctor(userIdentifier: string | undefined, options: DoctorOptions): Promise<void> {
  const output = createOutput(options)
  loadEnvironment(options)
  using stop = interrupted()
  const file = options.config === undefined ? undefined : await examineConfigFile(options.config)
  const findings = [...(file?.findings ?? []), ...(await examineAll(userIdentifier, { ...options, file }, stop.signal))]
  stop.signal.throwIfAborted()
  for (const finding of findings) print(output, finding)
  const problems = findings.filter(({ level }) => level === 'problem').length
  const warnings = findings.filter(({ level }) => level === 'warning').length
  output.line()
  output.line(
    problems + warnings === 0
      ? paint('green', 'Nothing is wrong.')
      : `${count(problems, 'problem')}, ${count(warnings, 'warning')}.`,
  )
  output.json({ user: userIdentifier, problems, warnings, findings })
  if (problems > 0) process.exitCode = EXIT.failed
}

/** One after another: what comes later needs what comes before. */
async function examineAll(
  userIdentifier: string | undefined,
  { file, ...options }: DoctorOptions & { readonly file: ExaminedFile | undefined },
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const url = options.url ?? process.env.LATCHKEY_URL ?? ''
  const address = URL.canParse(url) ? await examineAddress(url) : []
  if (address.some(isFatal)) return address
  await using gateway = connectGateway(options)
  const diagnosis = await diagnose(gateway, { userIdentifier, configName: options.mcpConfig }, signal)
  if ('check' in diagnosis) return [...address, diagnosis]
  return [
    ...address,
    ...examineGateway(diagnosis),
    ...(await examinePublicUrl(diagnosis.publicUrl, url)),
    ...(file?.options === undefined
      ? []
      : compareWithGateway(file.options, diagnosis, await gateway.manage.listConfigs({ signal }))),
    await examineEvents(gateway, userIdentifier ?? NOBODY, signal),
    ...(diagnosis.user === undefined ? [] : examineUser(diagnosis.user, diagnosis.time)),
  ]
}

/** Nothing more can be asked. A gateway that is not ready may still answer, and a wrong clock does not hinder it. */
function isFatal({ check, level }: Finding): boolean {
  return level === 'problem' && !['gateway.clock', 'gateway.ready'].includes(check)
}

async function diagnose(
  { manage }: ConnectedGateway,
  query: { readonly userIdentifier: string | undefined; readonly configName: string | undefined },
  signal: AbortSignal,
): Promise<Diagnosis | Finding> {
  try {
    return await manage.diagnose(query, { signal })
  } catch (error) {
    if (!(error instanceof LatchkeyError)) throw error
    if (error.code === 'unauthorized') {
      const advice =
        'Are LATCHKEY_CLIENT_ID and LATCHKEY_CLIENT_SECRET those of a client in the configuration of this gateway?'
      return {
        check: 'gateway.credentials',
        level: 'problem',
        message: 'It refuses the client id or the secret.',
        advice,
      }
    }
    if (error.code === 'rejected' || error.code === 'aborted') throw error
    const advice = 'Look at the log of the gateway.'
    return { check: 'gateway.ready', level: 'problem', message: `It does not say how it is: ${error.message}.`, advice }
  }
}

/** Users and agents go to the public URL, wherever this command goes. */
async function examinePublicUrl(publicUrl: string, url: string): Promise<readonly Finding[]> {
  const check = 'gateway.public_url'
  if (new URL(url).origin === publicUrl) return [{ check, level: 'ok', message: 'It is reached at its public URL.' }]
  const problem = (await examineAddress(publicUrl)).find(isFatal)
  if (problem !== undefined) {
    const advice = `Links and MCP URLs lead there. ${problem.advice ?? ''}`
    return [{ check, level: 'problem', message: `Its publicUrl does not work from here: ${problem.message}`, advice }]
  }
  return [{ check, level: 'note', message: `Its public URL is another one, ${publicUrl}, and works from here too.` }]
}

async function examineEvents(
  { manage }: ConnectedGateway,
  userIdentifier: string,
  signal: AbortSignal,
): Promise<Finding> {
  const check = 'gateway.events'
  const timeout = AbortSignal.timeout(EVENTS_WITHIN_MS)
  try {
    const ms = Math.round(await manage.tryEventStream(userIdentifier, { signal: AbortSignal.any([signal, timeout]) }))
    return { check, level: 'ok', message: `Event streams begin at once (${ms} ms).` }
  } catch (error) {
    const why = timeout.aborted ? 'nothing came within 5 s' : error instanceof Error ? error.message : 'it failed'
    return {
      check,
      level: 'problem',
      message: `Event streams do not work: ${why}.`,
      advice:
        'Waiters then learn of changes by polling only. Does a proxy collect answers before it passes them on (nginx: proxy_buffering off), or cut off long ones?',
    }
  }
}

const SIGNS = { ok: '✓', note: '·', warning: '!', problem: '✗' } as const
const COLOURS = { ok: 'green', note: 'dim', warning: 'yellow', problem: 'red' } as const

function print(output: Output, { level, subject, message, advice }: Finding): void {
  const text = subject === undefined ? message : `${subject} ${message}`
  output.line(`${paint(COLOURS[level], SIGNS[level])} ${text}`)
  if (advice !== undefined) output.line(paint('dim', `    ${advice}`))
}
