import type { ToolSet } from 'ai'

import { stateOf } from './toolSetState.ts'

/**
 * For `prepareStep`: before each step, adds to the tools what became available since, such as those of a connection that
 * the user has authorized meanwhile. What is there already stays. It makes no request while nothing is missing and the
 * list of tools is fresh; an error of it does not end the run.
 *
 * @param tools - The very object that `userTools` or `getUserTools` gave, and that the run is given.
 * @throws {TypeError} when it is another one.
 * @example
 * const tools = await getUserTools('user_123', { require: 'any' })
 * await generateText({ model, prompt, tools, prepareStep: refreshTools(tools), stopWhen: isStepCount(10) })
 */
export function refreshTools(tools: ToolSet): () => Promise<undefined> {
  const { refresh } = stateOf(tools, 'refreshTools')
  return async () => {
    try {
      const current = await refresh()
      for (const [name, tool] of Object.entries(current)) tools[name] ??= tool
    } catch {
      // The tools that there are still work, or say what is wrong when they are called.
    }
    return undefined
  }
}
