import type { ToolSet } from 'ai'

/** What is known of a set of tools that was given out. */
export interface ToolSetState {
  /** Gets the user's tools as they are now. */
  readonly refresh: () => Promise<ToolSet>
  /** The ids of its calls that were refused for want of the user's consent, when they were made last. */
  readonly refused: ReadonlySet<string>
}

const states = new WeakMap<ToolSet, ToolSetState>()

export function rememberState(tools: ToolSet, state: ToolSetState): ToolSet {
  states.set(tools, state)
  return tools
}

/** @throws {TypeError} when this is not the very object that was given out; `who` asks. */
export function stateOf(tools: ToolSet, who: string): ToolSetState {
  const state = states.get(tools)
  if (state) return state
  throw new TypeError(`\`${who}\` needs the very object that \`getUserTools\` or \`userTools\` gave`)
}
