import { GatewayError } from '../errors.ts'
import type { Accounts, Audit, Instances, Keys, Webhooks } from '../services.ts'

/*
 * The places where a secret is made, each so that it comes out only after it was recorded. Whoever is given these
 * cannot forget it.
 */

/** Access tokens and session tokens. */
export function auditedKeys(keys: Keys, audit: Audit): Keys {
  return {
    ...keys,
    async signAccessToken(clientId) {
      await audit.record({ action: 'access_token.issued', details: { clientId } })
      return await keys.signAccessToken(clientId)
    },
    async signSessionToken(claims, expirySeconds) {
      const { userIdentifier, configId, tools } = claims
      const details = { expirySeconds, ...(tools !== undefined && { tools }) }
      await audit.record({ action: 'session_token.issued', userIdentifier, configId, details })
      return await keys.signSessionToken(claims, expirySeconds)
    },
  }
}

/** Authentication links, and what comes of them where the app verifies its users. */
export function auditedAccounts(accounts: Accounts, audit: Audit): Accounts {
  return {
    ...accounts,
    async createLink(account, options) {
      const { id: accountId, connectionId, userIdentifier } = account
      await audit.record({ action: 'authentication_link.issued', userIdentifier, connectionId, accountId })
      return await accounts.createLink(account, options)
    },
    async verifyUser(request) {
      const { userIdentifier } = request
      try {
        const verified = await accounts.verifyUser(request)
        const { id: accountId, connectionId } = verified
        await audit.record({ action: 'user.verified', userIdentifier, connectionId, accountId })
        return verified
      } catch (error) {
        // It may be that somebody was made to connect an account for somebody else (security T20).
        const isRefused = error instanceof GatewayError && error.code === 'forbidden'
        if (isRefused) await audit.record({ action: 'user.verification_refused', outcome: 'refused', userIdentifier })
        throw error
      }
    },
  }
}

/** URLs of instances. */
export function auditedInstances(instances: Instances, audit: Audit): Instances {
  return {
    ...instances,
    async url(instance) {
      const { id: instanceId, configId, userIdentifier, urlVersion } = instance
      await audit.record({
        action: 'instance_url.issued',
        userIdentifier,
        configId,
        instanceId,
        details: { urlVersion },
      })
      return await instances.url(instance)
    },
  }
}

/** Secrets that webhooks are signed with. */
export function auditedWebhooks<Room extends Webhooks>(webhooks: Room, audit: Audit): Room {
  return {
    ...webhooks,
    async create(webhook) {
      const created = await webhooks.create(webhook)
      await audit.record({ action: 'webhook_secret.issued', details: { webhookId: created.endpoint.id } })
      return created
    },
    async rotateSecret(id, overlapMs) {
      await audit.record({ action: 'webhook_secret.issued', details: { webhookId: id } })
      return await webhooks.rotateSecret(id, overlapMs)
    },
  }
}
