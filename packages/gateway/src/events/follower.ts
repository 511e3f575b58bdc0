/** What stands in a log, at its place. */
interface Placed {
  readonly sequence: number
}

export interface FollowerOptions<T extends Placed> {
  /** Where it begins: what stands after this place is told. */
  readonly position: number
  /** What stands after a place, oldest first. */
  readonly read: (after: number, limit: number) => Promise<readonly T[]>
  readonly tell: (told: T) => void
}

export interface Follower<T> {
  /** Tells at once what this process has just committed. */
  readonly tellNow: (told: T) => void
  /** Tells what has been appended since by whomever, and has not been told. */
  readonly readOn: () => Promise<void>
}

const PAGE = 500

/** Tells everything that is appended to a log once: at once what is committed here, and what others append as it is read. */
export function createFollower<T extends Placed>(options: FollowerOptions<T>): Follower<T> {
  const { read, tell } = options
  let position = options.position
  // Ahead of the position only, so it is emptied by reading on.
  const toldAlready = new Set<number>()

  function readPast(one: T): void {
    position = one.sequence
    if (!toldAlready.delete(one.sequence)) tell(one)
  }

  return {
    tellNow(one) {
      // Where reading was faster than the way from the commit to here, it is told already.
      if (one.sequence <= position) return
      toldAlready.add(one.sequence)
      tell(one)
    },
    async readOn() {
      for (;;) {
        const page = await read(position, PAGE)
        for (const one of page) readPast(one)
        if (page.length < PAGE) return
      }
    },
  }
}
