import { createHash } from 'node:crypto'
import type { ToolReport, UserTool } from './userTools.ts'

interface Tools {
  readonly tools: readonly UserTool[]
  readonly report: ToolReport
}

const HASH_LENGTH = 8
/** Together with what is put around it, a name is at most 62 characters long. */
const MAX_STEM_LENGTH = 48

/**
 * Renames the tools whose names a framework does not take, such as one that allows fewer characters than model providers
 * do. The new name does not depend on which other tools there are. A tool whose new name is taken is left out.
 *
 * @param accepted - What the framework takes. `^[A-Za-z][A-Za-z0-9_-]{0,61}$` must be a part of it.
 */
export function renameTools({ tools, report }: Tools, accepted: RegExp): Tools {
  const taken = new Set(tools.map(({ name }) => name))
  const renamed = tools.map((userTool) => ({ userTool, name: acceptedName(userTool.name, accepted) }))
  const isLeftOut = ({ userTool, name }: (typeof renamed)[number]) => name !== userTool.name && taken.has(name)
  const changed = renamed.filter((each) => each.name !== each.userTool.name)
  if (changed.length === 0) return { tools, report }
  const mcpNames = new Set(changed.map(({ userTool }) => userTool.mcpName))
  const reason = 'its name is one that the framework does not take, and what would stand for it is taken'
  return {
    tools: renamed
      .filter((each) => !isLeftOut(each))
      .map(({ userTool, name }) => (name === userTool.name ? userTool : Object.freeze({ ...userTool, name }))),
    report: {
      ...report,
      renamed: [
        ...report.renamed.filter(({ mcpName }) => !mcpNames.has(mcpName)),
        ...changed.filter((each) => !isLeftOut(each)).map(({ userTool: { mcpName }, name }) => ({ mcpName, name })),
      ],
      dropped: [
        ...report.dropped,
        ...changed.filter(isLeftOut).map(({ userTool: { mcpName } }) => ({ mcpName, reason })),
      ],
    },
  }
}

function acceptedName(name: string, accepted: RegExp): string {
  if (accepted.test(name)) return name
  const hash = createHash('sha256').update(name).digest('hex').slice(0, HASH_LENGTH)
  return `tool_${name.slice(0, MAX_STEM_LENGTH)}_${hash}`
}
