/** "latchkey" in hexadecimal: all gateways on one database agree on it, and nobody else has it by chance. */
const WRITER = '7809651199139603833'

/** How long a writer waits for the others, and how long it may stand still, before the database ends it. */
const PATIENCE_MS = 15_000

/**
 * Begins a transaction that writes, in one round trip. They run one after the other, in all processes on the database, as
 * they do on SQLite: code is written for one rule. Reading, and single statements, are not held up.
 *
 * The lock ends with the transaction, and so with the process that holds it.
 * https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
 */
export const BEGIN_WRITING = [
  'begin',
  `set local lock_timeout = ${PATIENCE_MS}`,
  `set local idle_in_transaction_session_timeout = ${PATIENCE_MS}`,
  `select pg_advisory_xact_lock(${WRITER})`,
].join('; ')
