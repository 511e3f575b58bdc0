import { setImmediate as nextTurn } from 'node:timers/promises'

const LONG_CHARS = 256 * 1024

/**
 * Between two things that are done with a text. Each looks at all of it, which takes a while where it is long: then others
 * have their turn in between (security T46).
 */
export async function pauseAfter(text: string): Promise<void> {
  if (text.length > LONG_CHARS) await nextTurn()
}
