interface Config {
  // oxlint-disable-next-line typescript/no-explicit-any -- As LangChain has it.
  readonly configurable?: Record<string, any> | undefined
}

/**
 * Whether a run that is stopped in this call would make nothing but this call again. LangGraph goes on by running the task
 * from its beginning, and the task of a `ToolNode` is every call of a message, unless each is sent to it by itself. Where
 * it cannot be told, it may be more; outside of a graph there is no task, and `interrupt` says what it can do.
 */
export function isOnlyCall({ configurable }: Config, toolName: string): boolean {
  // Where LangChain's own `ToolNode` finds what its task was given.
  const scratchpad: unknown = configurable?.['__pregel_scratchpad']
  if (scratchpad === undefined) return true
  const calls = callsIn(field(scratchpad, 'currentTaskInput'))
  return calls.length === 1 && field(calls[0], 'name') === toolName
}

/**
 * The calls that a task was given: by themselves, or as a `ToolNode` takes them, which are those of the last message that
 * has any, but for what is answered after it.
 */
function callsIn(input: unknown): readonly unknown[] {
  const own = field(input, 'lg_tool_call')
  if (own !== undefined) return [own]
  const given = [field(input, 'messages') ?? input].flat()
  const last = given.findLastIndex((each) => Array.isArray(field(each, 'tool_calls')))
  if (last === -1) return given.filter((each) => field(each, 'args') !== undefined)
  const answered = new Set(given.slice(last + 1).map((each) => field(each, 'tool_call_id')))
  return [field(given[last], 'tool_calls')].flat().filter((each) => !answered.has(field(each, 'id')))
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
