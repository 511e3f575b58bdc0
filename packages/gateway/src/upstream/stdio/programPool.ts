import type { AccountProgram, Clock } from '../../services.ts'
import { ProgramFailed } from '../failures.ts'
import type { ProgramProcessDeps } from './programProcess.ts'
import { createProgramSession, type ProgramSession } from './programSession.ts'

export interface ProgramPoolDeps extends ProgramProcessDeps {
  readonly clock: Clock
  /**
   * Whether an account may be used with the credential of this generation, asked after a process was started: what was
   * taken away while it was being started is taken from it too. Default: it may.
   */
  readonly isCurrent?: ((accountId: string, generation: number) => Promise<boolean>) | undefined
  /** How many may run at the same time, for all accounts together. Default 32. */
  readonly maxProcesses?: number | undefined
}

/** All that run for one account with one credential, by what they are for. */
export interface ProgramsOfAccount {
  readonly accountId: string
  readonly generation: number
  readonly sessions: Map<string, ProgramSession>
}

const MAX_PROCESSES_OF_ACCOUNT = 4
const IDLE_MS = 5 * 60_000

/** Which processes run, for whom, and for how long. No process is ever that of two accounts. */
export function createProgramPool({ clock, isCurrent, maxProcesses = 32, ...deps }: ProgramPoolDeps) {
  const accounts = new Map<string, ProgramsOfAccount>()
  /** Account id by session. */
  const running = new Map<ProgramSession, string>()
  const ending = new Set<Promise<void>>()

  /** A newer credential ends what was started with an older one. */
  function of(accountId: string, generation: number): ProgramsOfAccount {
    const known = accounts.get(accountId)
    if (known !== undefined && known.generation >= generation) return known
    release(accountId)
    return { accountId, generation, sessions: new Map() }
  }

  function release(accountId: string): void {
    const account = accounts.get(accountId)
    accounts.delete(accountId)
    for (const session of account?.sessions.values() ?? []) session.retire()
  }

  function start(account: ProgramsOfAccount, key: string, program: AccountProgram): ProgramSession {
    makeRoom(account)
    const session: ProgramSession = createProgramSession(program, {
      ...deps,
      clock,
      onEnd: (gone) => onEnd(account, session, gone),
    })
    running.set(session, account.accountId)
    accounts.set(account.accountId, account)
    account.sessions.set(key, session)
    void releaseIfTakenAway(account)
    return session
  }

  function onEnd({ accountId, sessions }: ProgramsOfAccount, session: ProgramSession, gone: Promise<void>): void {
    for (const [key, each] of sessions) if (each === session) sessions.delete(key)
    if (sessions.size === 0 && accounts.get(accountId)?.sessions === sessions) accounts.delete(accountId)
    running.delete(session)
    const forgotten = gone.finally(() => ending.delete(forgotten))
    ending.add(forgotten)
  }

  async function releaseIfTakenAway(account: ProgramsOfAccount): Promise<void> {
    const { accountId, generation } = account
    const current = await isCurrent?.(accountId, generation).catch(() => false)
    if (current === false && accounts.get(accountId) === account) release(accountId)
  }

  /** Processes that have nothing to do go first: of the account itself, then of anybody. */
  function makeRoom({ sessions }: ProgramsOfAccount): void {
    if (sessions.size >= MAX_PROCESSES_OF_ACCOUNT && !endLongestIdle(sessions.values())) {
      throw new ProgramFailed(`runs ${MAX_PROCESSES_OF_ACCOUNT} times for this account already, and is busy each time`)
    }
    const isFull = running.size >= maxProcesses && !endLongestIdle(running.keys())
    // As many again may take their time to end.
    if (isFull || ending.size > maxProcesses) {
      throw new ProgramFailed(`has to wait: ${maxProcesses} programs run already, which is the most, and all are busy`)
    }
  }

  return {
    of,
    /** The one for this purpose, which is started where there is none. Throws `ProgramFailed`. */
    session(account: ProgramsOfAccount, key: string, program: AccountProgram): ProgramSession {
      const known = account.sessions.get(key)
      return known?.isOpen ? known : start(account, key, program)
    },
    /** By its id, also where it has been released and something is still under way. */
    find(accountId: string, sessionId: string): ProgramSession | undefined {
      for (const [session, owner] of running) if (owner === accountId && session.id === sessionId) return session
      return undefined
    },
    /** Ends an account's processes, once nothing is under way. */
    release,
    /** Ends the processes that have had nothing to do for five minutes. */
    endIdle(): void {
      const before = clock() - IDLE_MS
      for (const session of running.keys()) if (session.isIdle && session.lastUsedAt <= before) session.retire()
    },
    /** Ends all processes, and gives when they are gone. */
    async close(): Promise<void> {
      for (const session of running.keys()) void session.end()
      await Promise.all(ending)
    },
  }
}

function endLongestIdle(sessions: Iterable<ProgramSession>): boolean {
  const idle = [...sessions].filter(({ isOpen, isIdle }) => isOpen && isIdle)
  const [longest] = idle.toSorted((one, other) => one.lastUsedAt - other.lastUsedAt)
  longest?.retire()
  return longest !== undefined
}
