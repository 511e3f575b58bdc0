import type { Context } from 'hono'
import * as z from 'zod'
import { GatewayError } from '../errors.ts'
import type { Configs } from '../services.ts'
import type { ConfigFilter, ConfigQuery } from '../store/store.ts'
import { check } from './readBody.ts'

const MAX_PAGE_SIZE = 30

const querySchema = z.object({
  'filter.id': z.string().optional(),
  'filter.name': z.string().min(3, 'is shorter than 3 characters').optional(),
  'filter.provider': z.undefined('is not supported by this gateway').optional(),
  'filter.mcp_server_url': z.string().optional(),
  search: z.string().optional(),
  page_size: z.coerce.number('is not a number').int().min(1).max(MAX_PAGE_SIZE).default(MAX_PAGE_SIZE),
  page_token: z.string().optional(),
})

/** Which configs a request asks for. Throws GatewayError `invalid_request`. */
export function readConfigQuery(context: Context, configs: Pick<Configs, 'mcpServerUrl'>): ConfigQuery {
  const query = check(context.req.query(), querySchema)
  const ids = [query['filter.id'], idOfUrl(query['filter.mcp_server_url'], configs)].filter((id) => id !== undefined)
  return {
    // Two that differ match nothing; nor does the empty id.
    id: new Set(ids).size > 1 ? '' : ids[0],
    namePrefix: query['filter.name'],
    search: query.search,
    afterName: query.page_token === undefined ? undefined : readPageToken(query.page_token),
    limit: query.page_size,
  }
}

/** The part of the query that also counts. */
export function filterOf({ id, namePrefix, search }: ConfigQuery): ConfigFilter {
  return { id, namePrefix, search }
}

/** Opaque to the caller. It holds the last name of the page, so a config that is made meanwhile moves nothing. */
export function pageToken(lastName: string): string {
  return Buffer.from(JSON.stringify([lastName])).toString('base64url')
}

function readPageToken(token: string): string {
  try {
    const [name] = z.tuple([z.string()]).parse(JSON.parse(Buffer.from(token, 'base64url').toString('utf8')))
    return name
  } catch {
    throw new GatewayError('invalid_request', 'page_token: is not one that this gateway gave')
  }
}

function idOfUrl(url: string | undefined, configs: Pick<Configs, 'mcpServerUrl'>): string | undefined {
  if (url === undefined) return undefined
  const prefix = configs.mcpServerUrl({ id: '' })
  return url.startsWith(prefix) ? url.slice(prefix.length) : ''
}
