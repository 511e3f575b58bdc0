/** The longest silence on a stream to a client: proxies take one of half a minute for the end. */
export const KEEP_ALIVE_MS = 25_000
