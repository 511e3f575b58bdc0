import * as z from 'zod'
import { GatewayError } from '../errors.ts'

const MAX_PAGE_SIZE = 30

/** What every list takes besides its filters. */
export const pageQueryShape = {
  page_size: z.coerce
    .number('is not a number')
    .int('is not a whole number')
    .min(1, 'is less than 1')
    .max(MAX_PAGE_SIZE, `is more than ${MAX_PAGE_SIZE}`)
    .default(MAX_PAGE_SIZE)
    .meta({ override: { type: 'integer', minimum: 1, maximum: MAX_PAGE_SIZE, default: MAX_PAGE_SIZE } }),
  page_token: z.string().optional().meta({ description: 'The next_page_token or prev_page_token of another page.' }),
}

/** The beginning of a name. */
export const namePrefixSchema = z.string().min(3, 'is shorter than 3 characters')

/** Which page: what follows an entry, or what comes before one. Neither: the first page. */
export interface PageQuery {
  readonly after?: string | undefined
  readonly before?: string | undefined
  readonly limit: number
}

export interface Page<T> {
  readonly entries: readonly T[]
  readonly next_page_token?: string
  readonly prev_page_token?: string
}

/** What is listed, so that a token of one list is none of another. */
export type Listed =
  | 'configs'
  | 'instances'
  | 'connected_accounts'
  | 'webhook_deliveries'
  | 'audit_log'
  | 'pinned_tools'

export interface ReadPageOptions<T> {
  readonly of: Listed
  readonly query: { readonly page_size: number; readonly page_token?: string | undefined }
  /** In the order of the keys; where `before` is given, the last ones before it. */
  readonly list: (page: PageQuery) => Promise<readonly T[]>
  /** What the list is ordered by: unique, and never changed. */
  readonly keyOf: (entry: T) => string
}

/**
 * One page of a list. A token holds the key of the entry that the page begins or ends at, so that entries that come or
 * go meanwhile neither repeat nor hide another. Throws GatewayError `invalid_request` for a token that is not ours.
 */
export async function readPage<T>({ of, query, list, keyOf }: ReadPageOptions<T>): Promise<Page<T>> {
  const { page_size: size, page_token: token } = query
  const place = token === undefined ? {} : readPageToken(of, token)
  const found = await list({ ...place, limit: size + 1 })
  const isBackward = place.before !== undefined
  const entries = isBackward ? found.slice(-size) : found.slice(0, size)
  const [first, last] = [entries[0], entries.at(-1)]
  if (first === undefined || last === undefined) return { entries }

  const hasMore = found.length > size
  const hasNext = isBackward ? (await list({ after: keyOf(last), limit: 1 })).length > 0 : hasMore
  const hasPrevious = isBackward
    ? hasMore
    : token !== undefined && (await list({ before: keyOf(first), limit: 1 })).length > 0
  return {
    entries,
    ...(hasNext && { next_page_token: pageToken(of, 'after', keyOf(last)) }),
    ...(hasPrevious && { prev_page_token: pageToken(of, 'before', keyOf(first)) }),
  }
}

/** Opaque to the caller. */
function pageToken(of: Listed, side: 'after' | 'before', key: string): string {
  return Buffer.from(JSON.stringify([of, side, key])).toString('base64url')
}

const placeSchema = z.tuple([z.string(), z.enum(['after', 'before']), z.string()])
/** Lists whose keys are places in a log. */
const NUMBERED: ReadonlySet<Listed> = new Set(['webhook_deliveries', 'audit_log'])

function readPageToken(of: Listed, token: string): Omit<PageQuery, 'limit'> {
  try {
    const [kind, side, key] = placeSchema.parse(JSON.parse(Buffer.from(token, 'base64url').toString('utf8')))
    if (kind === of && (!NUMBERED.has(of) || /^\d{1,15}$/.test(key))) return { [side]: key }
  } catch {
    // Falls through: whatever it is, it is not ours.
  }
  throw new GatewayError('invalid_request', 'page_token: is not one that this gateway gave for this list')
}
