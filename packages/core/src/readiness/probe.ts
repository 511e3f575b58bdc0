import { LatchkeyError } from '../errors.ts'
import type { ToolList } from '../session/mcpSession.ts'
import { translateMcpError } from '../session/translateMcpError.ts'
import type { Deadline } from '../timing/deadline.ts'
import { sleep } from '../timing/sleep.ts'
import type { Timing } from '../timing/timing.ts'
import type { Unserved } from './unserved.ts'

const FIRST_DELAY_MS = 250
const MAX_DELAY_MS = 2_000

/**
 * Asks the endpoint for its tools until it gives them: a connection can be ACTIVE some time before its endpoint works.
 *
 * @throws {LatchkeyError} `not_ready` when the grace is over, `timeout` or `aborted` with the deadline.
 */
export async function probe(options: {
  list: () => Promise<ToolList>
  /** What is still lacking in a list; undefined if it will do. */
  judge: (list: ToolList) => Unserved | undefined
  /** Makes the next `list` ask again. */
  forget: () => void
  deadline: Deadline
  graceMs: number
  timing: Timing
  /** For messages. */
  subject: string
}): Promise<ToolList> {
  const { list, judge, forget, deadline, graceMs, timing, subject } = options
  const graceEndsAt = timing.now() + graceMs
  for (let delayMs = FIRST_DELAY_MS; ; delayMs = Math.min(MAX_DELAY_MS, delayMs * 2)) {
    const isOver = () => timing.now() + delayMs >= graceEndsAt
    try {
      const answer = await list()
      const lacking = judge(answer)
      if (!lacking || (isOver() && !lacking.isRequired)) return answer
      forget()
      if (isOver()) throw notReady(subject, new LatchkeyError('unavailable', `nothing is served of ${lacking.why}`))
    } catch (error) {
      const why = translateMcpError(error, `listing the tools of ${subject}`, deadline.signal)
      if (deadline.signal.aborted || why.code === 'authorization_required' || why.code === 'not_ready') throw why
      if (isOver()) throw notReady(subject, why)
    }
    await sleep(timing, delayMs, deadline.signal)
  }
}

function notReady(subject: string, why: LatchkeyError): LatchkeyError {
  return new LatchkeyError(
    'not_ready',
    `the connections of ${subject} are ACTIVE but its endpoint is not: ${why.message}`,
    {
      cause: why,
    },
  )
}
