import type { DiagnosedKey, DiagnosedWebhook, Diagnosis } from '@latchkey/core'
import { isLoopback } from '../../config/isLoopback.ts'
import { shown } from '../shown.ts'
import type { Finding } from './finding.ts'

/** What the gateway says of itself, judged. */
export function examineGateway(diagnosis: Diagnosis): readonly Finding[] {
  const { version, database, keys, webhooks } = diagnosis
  return [
    {
      check: 'gateway.credentials',
      level: 'ok',
      message: `It takes the client's credentials (version ${shown(version)}, ${shown(database)}).`,
    },
    verification(diagnosis),
    ...orFine('gateway.keys', 'All keys are in order.', keys.flatMap(examineKey)),
    ...orFine('gateway.webhooks', webhooksAreFine(webhooks), webhooks.flatMap(examineWebhook)),
  ]
}

function orFine(check: Finding['check'], message: string, findings: readonly Finding[]): readonly Finding[] {
  return findings.some(({ level }) => level !== 'note') ? findings : [{ check, level: 'ok', message }, ...findings]
}

function verification({ publicUrl, userVerification }: Diagnosis): Finding {
  const check = 'gateway.user_verification'
  if (userVerification === 'on') return { check, level: 'ok', message: 'Users are verified.' }
  if (isLoopback(new URL(publicUrl)))
    return { check, level: 'ok', message: 'Users are not verified, as is usual on a loopback address.' }
  return {
    check,
    level: 'warning',
    message: `Users are not verified, though ${publicUrl} is public: whoever can send somebody a link can have them connect their account for another.`,
    advice: 'Set userVerification in the configuration; see docs/user-verification.md.',
  }
}

function examineKey({ ring, keyId, isCurrent, isAvailable, retiredAt }: DiagnosedKey): Finding[] {
  const check = 'gateway.keys'
  const subject = `${shown(ring)} key ${shown(keyId)}`
  if (isCurrent) return []
  if (retiredAt !== undefined) {
    const message = 'is not needed any more.'
    return isAvailable
      ? [{ check, subject, level: 'note', message, advice: 'It may be taken out of the configuration.' }]
      : []
  }
  if (!isAvailable) {
    const message = 'is needed, and this gateway does not have it: what it sealed or derived cannot be used.'
    return [
      {
        check,
        subject,
        level: 'problem',
        message,
        advice: 'Put it back into the configuration, after the current one.',
      },
    ]
  }
  if (ring === 'signing') {
    const message = 'is old, and URLs and tokens that it made are still good.'
    return [{ check, subject, level: 'note', message, advice: `To end them: latchkey keys retire ${keyId}` }]
  }
  return [
    {
      check,
      subject,
      level: 'warning',
      message: 'is old, and not given up yet: not every value is known to be under the new key.',
      advice:
        'The gateway does that by itself within minutes. If it lasts: latchkey keys status, and is every gateway started with the new key first?',
    },
  ]
}

function webhooksAreFine(webhooks: readonly DiagnosedWebhook[]): string {
  return webhooks.length === 0 ? 'There are no webhooks.' : 'What the webhooks send arrives.'
}

const DISABLED: Readonly<Record<string, string>> = {
  gone: 'is disabled, for it answered 410 (gone).',
  failing: 'is disabled, for nothing arrived there for days.',
  requested: 'is disabled, as somebody asked over the API.',
  removed: 'is disabled, for the configuration does not name it any more.',
}

function examineWebhook({ id, url, isEnabled, disabledReason = '', failingSince }: DiagnosedWebhook): Finding[] {
  const check = 'gateway.webhooks'
  const subject = `webhook ${id} (${URL.parse(url)?.host ?? 'unknown'})`
  if (!isEnabled) {
    const isWanted = disabledReason === 'requested' || disabledReason === 'removed'
    const advice = `When it is repaired, enable it and send again what was missed: PATCH /api/v1/webhooks/${id}, then POST …/${id}:replay.`
    const message = DISABLED[disabledReason] ?? 'is disabled.'
    return [{ check, subject, level: isWanted ? 'note' : 'problem', message, advice: isWanted ? undefined : advice }]
  }
  if (failingSince === undefined) return []
  return [
    {
      check,
      subject,
      level: 'problem',
      message: `has failed since ${failingSince.toISOString()}.`,
      advice: `See why in its delivery log: GET /api/v1/webhooks/${id}/deliveries?filter.status=PENDING. It is tried again for days.`,
    },
  ]
}
