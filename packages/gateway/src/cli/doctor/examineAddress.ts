import * as z from 'zod'
import { shown } from '../shown.ts'
import type { Finding } from './finding.ts'
import { certificateEnd, reach, type Reached } from './reach.ts'

const readySchema = z.object({ status: z.string(), checks: z.record(z.string(), z.string()) })
const MAX_SKEW_MS = 60_000
const DAY_MS = 24 * 60 * 60 * 1000
const SOON_DAYS = 14

/** Whether a gateway answers at this address, with a certificate that is good, and a clock that is ours. */
export async function examineAddress(url: string): Promise<readonly Finding[]> {
  const { protocol, hostname } = new URL(url)
  if (protocol === 'http:' && !['127.0.0.1', 'localhost', '[::1]'].includes(hostname)) return [inTheClear(url)]
  const reached = await reach(url)
  const end = await certificateEnd(url)
  if (reached.kind === 'failed') return [failed(url, reached.code, end)]
  if (reached.kind === 'redirected') return [redirected(url, reached.to)]
  return [...answered(url, reached), ...endingSoon(url, end)]
}

function inTheClear(url: string): Finding {
  return {
    check: 'gateway.tls',
    level: 'problem',
    message: `${url} is not https: the client's secret and every token would travel in the clear.`,
    advice: 'Put a proxy with TLS before the gateway, and use its https address as publicUrl and as LATCHKEY_URL.',
  }
}

const CERTIFICATE_FAULTS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet (or the clock of this machine is wrong)',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is signed by itself',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate comes from an authority that this machine does not know',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its chain of certificates is not complete',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate comes from an authority that this machine does not know',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
}

const NETWORK_FAULTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the connection was cut',
  ENOTFOUND: 'there is no such name',
  EAI_AGAIN: 'the name cannot be looked up at the moment',
  EHOSTUNREACH: 'there is no way to that machine',
  TIMEOUT: 'there was no answer within 5 s',
  UND_ERR_CONNECT_TIMEOUT: 'there was no answer',
  UND_ERR_SOCKET: 'the connection was cut',
  EPROTO: 'what listens there does not speak TLS',
  ERR_SSL_WRONG_VERSION_NUMBER: 'what listens there does not speak TLS',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'what listens there does not speak TLS',
}

function failed(url: string, code: string, end: Date | undefined): Finding {
  const certificate = CERTIFICATE_FAULTS[code]
  const until = end === undefined ? '' : ` It is good until ${end.toISOString()}.`
  if (certificate !== undefined) {
    const message = `${url} cannot be trusted: ${certificate} (${code}).${until}`
    return {
      check: 'gateway.tls',
      level: 'problem',
      message,
      advice: 'Renew the certificate of the proxy before the gateway, or use the name that it is for.',
    }
  }
  return {
    check: 'gateway.reachable',
    level: 'problem',
    message: `${url} cannot be reached: ${NETWORK_FAULTS[code] ?? 'the request failed'} (${code}).`,
    advice: 'Is the gateway running (latchkey serve)? Does LATCHKEY_URL (or --url) have the right host and port?',
  }
}

function redirected(url: string, to: string): Finding {
  return {
    check: 'gateway.public_url',
    level: 'problem',
    message: `${url} redirects to ${to}. A secret does not follow a redirect.`,
    advice: `Use ${to} as LATCHKEY_URL, if that is the gateway's publicUrl.`,
  }
}

function answered(url: string, { status, body, skewMs }: Reached & { kind: 'answered' }): Finding[] {
  const ready = readySchema.safeParse(parse(body)).data
  if (status === 403 && body.includes('This host is not served here')) return [anotherName(url)]
  if (ready === undefined) return [notAGateway(url, status)]
  const skew = skewMs === undefined ? [] : [clock(skewMs)]
  return [
    { check: 'gateway.reachable', level: 'ok', message: `A gateway answers at ${url}.` },
    ...skew,
    readiness(ready),
  ]
}

function anotherName(url: string): Finding {
  return {
    check: 'gateway.public_url',
    level: 'problem',
    message: `The gateway at ${url} is not served under that name: its publicUrl is another one.`,
    advice: 'Use its publicUrl as LATCHKEY_URL, or have the proxy before it pass the Host header on.',
  }
}

function notAGateway(url: string, status: number): Finding {
  return {
    check: 'gateway.reachable',
    level: 'problem',
    message: `Something answers at ${url} with HTTP ${status}, but it is not a Latchkey gateway.`,
    advice: 'Does LATCHKEY_URL (or --url) have the right host, port and path?',
  }
}

function clock(skewMs: number): Finding {
  const seconds = Math.round(Math.abs(skewMs) / 1000)
  if (Math.abs(skewMs) <= MAX_SKEW_MS)
    return { check: 'gateway.clock', level: 'ok', message: `The clocks agree (${seconds} s apart).` }
  return {
    check: 'gateway.clock',
    level: 'problem',
    message: `The gateway's clock is ${seconds} s ${skewMs > 0 ? 'ahead of' : 'behind'} the one of this machine.`,
    advice: 'Tokens and links end at the wrong time. Set both clocks with NTP.',
  }
}

const CHECK_ADVICE: Readonly<Record<string, string>> = {
  store: 'It cannot read its database: is that running, and is the address in the configuration right?',
  audit: 'It cannot read its audit log, so it gives out nothing: look at the database.',
  keys: 'Its keys do not work: latchkey keys status.',
  notifications:
    'It does not hear of changes that other gateways make on its Postgres at once (LISTEN), but only when it looks, every second. Is there a pooler in transaction mode between them?',
  accepting: 'It is being stopped. Requests should go to another one.',
}

/** What is failed and does not keep it from being ready is a hint: it works, but not as well as it could. */
function readiness({ status, checks }: z.infer<typeof readySchema>): Finding {
  const check = 'gateway.ready'
  const broken = Object.keys(checks).filter((name) => checks[name] !== 'ok')
  if (broken.length === 0) return { check, level: 'ok', message: 'It is ready for requests.' }
  const names = broken.map(shown).join(', ')
  const advice = broken
    .map((name) => CHECK_ADVICE[name] ?? `Look at the log of the gateway for "${shown(name)}".`)
    .join(' ')
  if (status === 'ready') return { check, level: 'warning', message: `It is ready, but ${names} failed.`, advice }
  return { check, level: 'problem', message: `It is not ready: ${names} failed.`, advice }
}

function endingSoon(url: string, end: Date | undefined): Finding[] {
  if (end === undefined) return []
  const days = Math.floor((end.getTime() - Date.now()) / DAY_MS)
  if (days >= SOON_DAYS)
    return [{ check: 'gateway.tls', level: 'ok', message: `The certificate is good for another ${days} days.` }]
  const message = `The certificate of ${url} ends on ${end.toISOString()}, in ${days} days.`
  return [{ check: 'gateway.tls', level: 'warning', message, advice: 'Renew it before that.' }]
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}
