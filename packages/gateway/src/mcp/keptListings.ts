import { LRUCache } from 'lru-cache'
import type { ReadItems } from '../upstream/lists.ts'
import type { AllowedConnection } from './allowedItems.ts'
import type { Listing, ListRequest, Unavailable } from './listItems.ts'

/** What one connection adds to a list, or why it adds nothing. */
export type Contribution = Unavailable | Available

/** The same arrays are the same list. */
export interface Available extends ReadItems {
  readonly from: AllowedConnection
}

interface Kept {
  readonly made: readonly KeptContribution[]
  readonly listing: Listing
}

/** What it was made of. A list is held by whoever reads it: when it is no more, nothing is the very same as it. */
type KeptContribution = Unavailable | KeptAvailable

interface KeptAvailable {
  readonly from: AllowedConnection
  readonly items: WeakRef<Available['items']>
  readonly refused: WeakRef<Available['refused']>
}

const MAX_CHARS = 32 * 1024 * 1024
/** What one is counted with besides its text. */
const BASE_CHARS = 1000

/**
 * Answers that were put together before. Nothing has to be told when one of them is out of date: what it was made of is
 * found out for every request, and an answer is given again only where that is the very same. The key names all else
 * that the text depends on: whose it is, and what narrows it.
 */
export function createKeptListings() {
  const kept = new LRUCache<string, Kept>({ maxSize: MAX_CHARS, sizeCalculation: sizeOf })
  return {
    /** `start` is where the page begins. */
    of(request: ListRequest, start: number, made: readonly Contribution[], make: () => Listing): Listing {
      const key = keyOf(request, start)
      const known = kept.get(key)
      if (known !== undefined && isSame(known.made, made)) return known.listing
      const listing = make()
      kept.set(key, { made: made.map(asKept), listing })
      return listing
    },
  }
}

export type KeptListings = ReturnType<typeof createKeptListings>

function keyOf({ kind, era, principal: { config, userIdentifier, tools } }: ListRequest, start: number): string {
  return JSON.stringify([userIdentifier, config.id, kind, era, start, tools === undefined ? null : [...tools]])
}

function asKept(made: Contribution): KeptContribution {
  if ('reason' in made) return made
  return { from: made.from, items: new WeakRef(made.items), refused: new WeakRef(made.refused) }
}

function sizeOf({ listing }: Kept): number {
  return BASE_CHARS + 2 * listing.result.length
}

function isSame(one: readonly KeptContribution[], other: readonly Contribution[]): boolean {
  return one.length === other.length && one.every((each, index) => isSameContribution(each, other[index]))
}

function isSameContribution(one: KeptContribution, other: Contribution | undefined): boolean {
  if (other === undefined) return false
  if ('reason' in one || 'reason' in other) {
    return 'reason' in one && 'reason' in other && one.reason === other.reason && one.connection === other.connection
  }
  const isSameList = one.items.deref() === other.items && one.refused.deref() === other.refused
  return isSameList && isSameSource(one.from, other.from)
}

/** The rows are read anew all the time, so they are compared by what they say. */
function isSameSource(one: AllowedConnection, other: AllowedConnection): boolean {
  if (one === other) return true
  return (
    one.account.id === other.account.id &&
    one.connection.name === other.connection.name &&
    one.naming.prefixed === other.naming.prefixed &&
    isSameChoice(one.tools, other.tools)
  )
}

function isSameChoice(one: readonly string[] | undefined, other: readonly string[] | undefined): boolean {
  if (one === other) return true
  if (one === undefined || other === undefined || one.length !== other.length) return false
  return one.every((name, index) => name === other[index])
}
