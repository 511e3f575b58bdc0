import * as z from 'zod'
import { LatchkeyError } from '../../errors.ts'
import { instanceListSchema, readConnectedAccountListSchema } from '../../wire/schemas.ts'
import type { RevokedAccount, UserRevocation } from '../backend.ts'
import type { ControlPlane } from '../controlPlane.ts'

interface RevokeOptions {
  readonly userIdentifier: string
  readonly hasInstances: boolean
  /** Milliseconds since the epoch. */
  readonly now: number
  readonly signal: AbortSignal | undefined
}

/** More pages than any user has; a listing that goes round in circles ends there. */
const MAX_PAGES = 100

/**
 * Deletes every connected account of a user and, with them, their credentials; and the instances, whose URLs end so. The
 * service has no one call for it: after a failure, call again, and what is left is done.
 */
export async function revokeAccounts(controlPlane: ControlPlane, options: RevokeOptions): Promise<UserRevocation> {
  const { userIdentifier, hasInstances, now } = options
  const instancesDeleted = hasInstances ? await deleteInstances(controlPlane, options) : 0
  const connectedAccounts = await deleteAccounts(controlPlane, options)
  // Links end with the account that they were made for; the service does not tell how many there were.
  return { userIdentifier, revokedAt: new Date(now), instancesDeleted, linksCancelled: 0, connectedAccounts }
}

async function deleteAccounts(
  controlPlane: ControlPlane,
  { userIdentifier, signal }: RevokeOptions,
): Promise<readonly RevokedAccount[]> {
  const accounts = await listAll(async (pageToken) => {
    const query = new URLSearchParams({ identifier: userIdentifier, page_size: '30', ...pageToken })
    const { connected_accounts: items, next_page_token: next } = await controlPlane.request({
      method: 'GET',
      path: `/api/v1/connected_accounts?${query.toString()}`,
      schema: readConnectedAccountListSchema,
      doing: `listing the connected accounts of user ${JSON.stringify(userIdentifier)}`,
      idempotent: true,
      signal,
    })
    return { items, next }
  })
  const deleted: RevokedAccount[] = []
  for (const { id = '', identifier, connection_name: name, connector } of accounts) {
    // A filter that was not heeded must not cost others their accounts.
    if (identifier !== userIdentifier || id === '') continue
    await deleteOne(controlPlane, 'POST', '/api/v1/connected_accounts:delete', { id }, `account ${id}`, signal)
    deleted.push({ connectionName: name ?? connector ?? id, connectedAccountId: id, upstreamRevocation: 'unknown' })
  }
  return deleted
}

async function deleteInstances(controlPlane: ControlPlane, { userIdentifier, signal }: RevokeOptions): Promise<number> {
  const instances = await listAll(async (pageToken) => {
    const query = new URLSearchParams({ 'filter.user_identifier': userIdentifier, page_size: '30', ...pageToken })
    const { instances: items, next_page_token: next } = await controlPlane.request({
      method: 'GET',
      path: `/api/v1/mcp/instances?${query.toString()}`,
      schema: instanceListSchema,
      doing: `listing the MCP instances of user ${JSON.stringify(userIdentifier)}`,
      idempotent: true,
      signal,
    })
    return { items, next }
  })
  const own = instances.filter((instance) => instance.user_identifier === userIdentifier)
  for (const { id } of own) {
    const path = `/api/v1/mcp/instances/${encodeURIComponent(id)}`
    await deleteOne(controlPlane, 'DELETE', path, undefined, `instance ${id}`, signal)
  }
  return own.length
}

/** All pages, before anything is deleted: what is deleted would shift those that follow. */
async function listAll<T>(
  page: (pageToken: { page_token?: string }) => Promise<{ items: readonly T[]; next: string | undefined }>,
): Promise<readonly T[]> {
  const all: T[] = []
  let token = ''
  for (let count = 0; count < MAX_PAGES; count += 1) {
    const { items, next = '' } = await page(token === '' ? {} : { page_token: token })
    all.push(...items)
    if (next === '' || next === token) break
    token = next
  }
  return all
}

/** What is gone already is what was wanted. */
async function deleteOne(
  controlPlane: ControlPlane,
  method: 'POST' | 'DELETE',
  path: string,
  body: unknown,
  what: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const gone = new LatchkeyError('rejected', `${what} is gone`)
  const refused = (status: number) => (status === 404 ? gone : undefined)
  const request = {
    method,
    path,
    body,
    schema: z.unknown(),
    doing: `deleting ${what}`,
    idempotent: true,
    signal,
    refused,
  }
  await controlPlane.request(request).catch((error: unknown) => {
    if (error !== gone) throw error
  })
}
