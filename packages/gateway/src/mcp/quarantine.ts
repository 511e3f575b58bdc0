import { GatewayError } from '../errors.ts'
import type { AccountOfConnection, ListedTool, ToolPins } from '../services.ts'
import { listedTool } from '../upstream/listedTool.ts'
import type { UpstreamItem } from '../upstream/listPage.ts'
import type { Upstreams } from '../upstream/upstreams.ts'

export interface QuarantineDeps {
  readonly pins: ToolPins
  readonly upstreams: Pick<Upstreams, 'list'>
}

/** Keeps tools that nobody has approved from being listed and called, where the connection pins its tools (T48). */
export interface Quarantine {
  /** Those of a connection's tools that may be listed. */
  admitted(from: AccountOfConnection, items: readonly UpstreamItem[]): Promise<readonly UpstreamItem[]>
  /**
   * Whether a tool may be called, by the definition that its upstream lists now. Throws as `Upstreams.list` does: what
   * cannot be compared is not called.
   */
  admits(from: AccountOfConnection, upstreamName: string): Promise<boolean>
}

interface Admitted {
  readonly approved: ReadonlySet<string>
  readonly admitted: readonly UpstreamItem[]
}

/** Of a connection that pins nothing it asks nobody. */
export function createQuarantine({ pins, upstreams }: QuarantineDeps): Quarantine {
  /** A list is read once and served often. */
  const listed = new WeakMap<readonly UpstreamItem[], readonly ListedTool[]>()
  /** What was let through last, and by what: the same list and the same approvals give the same array. */
  const letThrough = new WeakMap<readonly UpstreamItem[], Admitted>()

  function toolsIn(items: readonly UpstreamItem[]): readonly ListedTool[] {
    const known = listed.get(items)
    if (known !== undefined) return known
    const tools = items.map(({ name, json, original }) => listedTool(name, original ?? json))
    listed.set(items, tools)
    return tools
  }

  async function admitted({ connection }: AccountOfConnection, items: readonly UpstreamItem[]) {
    if (connection.pinTools !== true) return items
    const tools = toolsIn(items)
    const approved = await pins.admit(connection, tools)
    const before = letThrough.get(items)
    if (before?.approved === approved) return before.admitted
    const admittedNow = items.filter((_item, index) => approved.has(tools[index]?.digest ?? ''))
    letThrough.set(items, { approved, admitted: admittedNow })
    return admittedNow
  }

  return {
    admitted,
    async admits(from, upstreamName) {
      const { connection, account } = from
      if (connection.pinTools !== true) return true
      // Its user has to consent first, and is asked to for a tool that there was.
      if (account.status !== 'ACTIVE') return pins.mayBeApproved(connection, upstreamName)
      try {
        const items = await admitted(from, await upstreams.list(from, 'tools'))
        return items.some(({ name }) => name === upstreamName)
      } catch (error) {
        if (!(error instanceof GatewayError) || error.code !== 'consent_required') throw error
        return pins.mayBeApproved(connection, upstreamName)
      }
    },
  }
}
