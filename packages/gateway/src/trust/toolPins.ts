import { LRUCache } from 'lru-cache'
import type { Commit } from '../accounts/commit.ts'
import type { Connection, ToolPin, ToolPinState } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { Changes, Clock, ListedTool, ToolPins } from '../services.ts'
import type { PlaceQuery, Store, ToolPinFilter } from '../store/store.ts'

export interface ToolPinsOptions {
  readonly store: Pick<Store, 'toolPins'>
  readonly commit: Commit
  readonly changes: Pick<Changes, 'subscribe'>
  readonly clock: Clock
}

/** The pins, with what only the control plane does to them. */
export interface ManagedToolPins extends ToolPins {
  /** By tool. */
  list(query: ToolPinFilter & PlaceQuery): Promise<readonly ToolPin[]>
  /** Of the same tool, the definition that was approved last. */
  lastApproved(pin: ToolPin): Promise<ToolPin | undefined>
  /**
   * Approves definitions, or puts them back into quarantine: exactly those that somebody has looked at. Every agent has
   * it from its next request on. Throws GatewayError `not_found` for a definition that no upstream has listed; then
   * nothing is decided.
   */
  decide(
    connection: Connection,
    definitions: readonly ToolDefinition[],
    state: ToolPinState,
  ): Promise<readonly ToolPin[]>
  /** Approves all that is in quarantine, unseen. */
  approveAll(connection: Connection): Promise<readonly ToolPin[]>
  close(): void
}

export interface ToolDefinition {
  readonly tool: string
  readonly digest: string
}

/** What was approved is read anew after this time, even if nobody has told of a change, in milliseconds. */
const FRESH_MS = 5_000
const MAX_CONNECTIONS = 1_000
/** An upstream that makes up a new definition for each list fills no disk: what is not kept is not approved either. */
const MAX_QUARANTINED = 500
const MAX_APPROVED_AT_ONCE = 5_000
/** A longer definition is judged by its digest alone, in characters. */
const MAX_DEFINITION_CHARS = 64 * 1024
const MAX_ID_NAME_CHARS = 256

interface Approved {
  readonly digests: ReadonlySet<string>
  readonly tools: ReadonlySet<string>
}

/**
 * Which definitions of tools may be used. The first list that is read of a connection that pins its tools is taken as
 * approved ("trust on first use"); whatever is new or different afterwards is quarantined until somebody approves it.
 */
export function createToolPins({ store, commit, changes, clock }: ToolPinsOptions): ManagedToolPins {
  const known = new LRUCache<string, Promise<Approved>>({ max: MAX_CONNECTIONS, ttl: FRESH_MS, perf: performance })
  /** Ids of what is in quarantine already: it need not be written each time that it is listed. */
  const quarantined = new LRUCache<string, true>({ max: 10_000 })
  /** Ids of what found no place there: each is tried again when something was decided, or after a while. */
  const turnedAway = new LRUCache<string, true>({ max: 10_000, ttl: FRESH_MS, perf: performance })
  const unsubscribe = changes.subscribe(({ kind, subject }) => {
    if (kind !== 'connection') return
    known.delete(subject)
    turnedAway.clear()
  })

  function approved({ id }: Connection): Promise<Approved> {
    const before = known.get(id)
    if (before !== undefined) return before
    const reading = store.toolPins.approved(id).then(toApproved)
    known.set(id, reading)
    reading.catch(() => known.peek(id) === reading && known.delete(id))
    return reading
  }

  /** True if it has changed what is approved. */
  async function writeDown(connection: Connection, pins: readonly ToolPin[]): Promise<boolean> {
    const at = new Date(clock())
    const placed = await commit(async (inner, { note, audit }) => {
      const isFirst = await inner.toolPins.begin(connection.id, at)
      if (isFirst) {
        const first = pins.slice(0, MAX_APPROVED_AT_ONCE).map((pin) => ({ ...pin, state: 'approved' as const }))
        await inner.toolPins.insertMissing(first)
        await audit(entryOf('tools.pinned', connection, { count: first.length }), at)
        await note('connection', connection.id, at)
        return undefined
      }
      const found = await quarantine(inner, connection, pins)
      for (const pin of found.added) await audit(entryOf('tool.quarantined', connection, detailsOf(pin)), at)
      return found.placed
    })
    if (placed === undefined) return true
    pins.forEach(({ id }, index) => (index < placed ? quarantined : turnedAway).set(id, true))
    return false
  }

  return {
    async admit(connection, tools) {
      const before = await approved(connection)
      const unknown = tools
        .filter(({ digest }) => !before.digests.has(digest))
        .map((tool) => pinOf(connection, tool, new Date(clock())))
        .filter(({ id }) => !quarantined.has(id) && !turnedAway.has(id))
      if (unknown.length > 0 && (await writeDown(connection, unknown))) return (await approved(connection)).digests
      return before.digests
    },

    async mayBeApproved(connection, tool) {
      const { tools } = await approved(connection)
      return tools.size === 0 || tools.has(tool)
    },

    list: (query) => store.toolPins.list(query),

    async lastApproved({ connectionId, tool, id }) {
      const before = (await store.toolPins.approved(connectionId)).filter((pin) => pin.tool === tool)
      const pins = await Promise.all(before.map(({ digest }) => store.toolPins.get(idOf(connectionId, tool, digest))))
      const others = pins.filter((pin) => pin !== undefined).filter((pin) => pin.id !== id)
      return others.toSorted((one, other) => decidedAt(other) - decidedAt(one))[0]
    },

    decide: (connection, definitions, state) =>
      commit(async (inner, { note, audit }) => {
        const at = new Date(clock())
        const decided: ToolPin[] = []
        for (const { tool, digest } of definitions) {
          const pin = await inner.toolPins.get(idOf(connection.id, tool, digest))
          if (pin === undefined) throw unknownDefinition(connection, tool)
          if (await inner.toolPins.decide(pin.id, state, at)) {
            await audit(entryOf(ACTIONS[state], connection, detailsOf(pin)), at)
          }
          decided.push({ ...pin, state, decidedAt: at })
        }
        await note('connection', connection.id, at)
        return decided
      }),

    async approveAll(connection) {
      const query = { connectionId: connection.id, state: 'quarantined' as const, limit: MAX_QUARANTINED }
      return await this.decide(connection, await store.toolPins.list(query), 'approved')
    },

    close: unsubscribe,
  }
}

/** As many as there is room for; one that is there already takes none. `placed`: so many, from the first on, are in. */
async function quarantine(
  { toolPins }: Pick<Store, 'toolPins'>,
  { id: connectionId }: Connection,
  pins: readonly ToolPin[],
): Promise<{ added: readonly ToolPin[]; placed: number }> {
  const added: ToolPin[] = []
  const room = MAX_QUARANTINED - (await toolPins.count({ connectionId, state: 'quarantined' }))
  let placed = 0
  while (placed < pins.length && added.length < room) {
    const next = pins.slice(placed, placed + room - added.length)
    added.push(...(await toolPins.insertMissing(next)))
    placed += next.length
  }
  return { added, placed }
}

const ACTIONS: Readonly<Record<ToolPinState, string>> = { approved: 'tool.approved', quarantined: 'tool.quarantined' }

function pinOf({ id: connectionId }: Connection, { tool, digest, definition }: ListedTool, seenAt: Date): ToolPin {
  return {
    id: idOf(connectionId, tool, digest),
    connectionId,
    tool,
    digest,
    state: 'quarantined',
    definition: definition.length <= MAX_DEFINITION_CHARS ? definition : undefined,
    seenAt,
    decidedAt: undefined,
  }
}

/** In the order of the tools. The digest says which tool it is where the name is too long for a key. */
function idOf(connectionId: string, tool: string, digest: string): string {
  return `${connectionId} ${JSON.stringify(tool).slice(0, MAX_ID_NAME_CHARS).toWellFormed()} ${digest}`
}

function toApproved(pins: readonly Pick<ToolPin, 'tool' | 'digest'>[]): Approved {
  return { digests: new Set(pins.map(({ digest }) => digest)), tools: new Set(pins.map(({ tool }) => tool)) }
}

function decidedAt({ decidedAt: at, seenAt }: ToolPin): number {
  return (at ?? seenAt).getTime()
}

function entryOf(action: string, { id: connectionId }: Connection, details: Record<string, string | number>) {
  return { action, connectionId, details }
}

function detailsOf({ tool, digest }: ToolPin): { tool: string; digest: string } {
  return { tool: tool.slice(0, MAX_ID_NAME_CHARS).toWellFormed(), digest }
}

function unknownDefinition({ name }: Connection, tool: string): GatewayError {
  const shown = JSON.stringify(tool.slice(0, MAX_ID_NAME_CHARS))
  return new GatewayError('not_found', `The connection "${name}" has listed no tool ${shown} with this digest.`)
}
