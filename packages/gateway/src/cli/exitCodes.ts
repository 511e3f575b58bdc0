/** What the command's exit codes mean. Scripts rely on them. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  /** The user has to connect something first, or did not in time. */
  authorization: 3,
  /** There is no such config, user or tool. */
  notFound: 4,
  /** The gateway cannot be reached, or something else answers there. */
  unreachable: 5,
  /** The gateway refused the client's credentials. */
  refused: 6,
  /** Stopped with Ctrl-C. */
  interrupted: 130,
} as const

export const EXIT_HELP = `
Exit codes:
  0    done
  1    it failed; for doctor: it found something that is wrong
  2    it was called wrongly
  3    the user has to connect something first, or did not in time
  4    there is no such config, user or tool
  5    the gateway cannot be reached
  6    the gateway refused the client id or secret
  130  stopped with Ctrl-C`
