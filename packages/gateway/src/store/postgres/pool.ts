import { Pool, types, type CustomTypesConfig } from 'pg'
import type { Secret } from '../../secret.ts'

const CONNECT_TIMEOUT_MS = 10_000

/** Connections to the database: made when they are needed, at most `max`, and given up when they are not used. */
export function createPool(url: Secret, max: number): Pool {
  const pool = new Pool({
    connectionString: url.reveal(),
    max,
    types: ours,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    application_name: 'latchkey',
  })
  // A lost connection fails what runs on it, and is replaced. Without these listeners it would end the process.
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}

/** The types of the schema: `bigint` as a number, `bytea` as plain bytes. */
const ours: CustomTypesConfig = {
  getTypeParser: (id, format) => {
    if (id === types.builtins.INT8) return toNumber
    if (id === types.builtins.BYTEA) return toBytes
    return types.getTypeParser(id, format)
  },
}

function toNumber(value: string): number {
  const number = Number(value)
  if (Number.isSafeInteger(number)) return number
  throw new RangeError('A number in the database is greater than JavaScript can hold exactly')
}

const parseBytea = types.getTypeParser(types.builtins.BYTEA)

function toBytes(value: string): Uint8Array {
  return new Uint8Array(parseBytea(value))
}
