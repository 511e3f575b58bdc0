import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

export const MIB = 1024 * 1024

const repeated = (text: string, bytes: number): string => text.repeat(Math.floor(bytes / text.length))

/** JSON that costs more to read than to send. None is longer than what may be sent. */
export const JSON_BOMBS: Readonly<Record<string, string>> = {
  'nothing but open brackets': repeated('[', 9.9 * MIB),
  'a million objects within each other': `${'{"a":'.repeat(1e6)}1${'}'.repeat(1e6)}`,
  'half a million keys': `{${Array.from({ length: 5e5 }, (_, index) => `"k${index}":1`).join(',')}}`,
  'one key again and again': `{${'"a":1,'.repeat(1e6)}"a":1}`,
  'a string of nothing but escapes': `"${repeated('\\u0041', 9.8 * MIB)}"`,
  'a string of escaped quotes and backslashes': `"${repeated('\\\\\\"', 9.8 * MIB)}"`,
  'a number of ten million digits': `1${'0'.repeat(9.8 * MIB)}`,
  'a million numbers that are too large': `[${'1e999,'.repeat(1e6)}1]`,
  'nothing but spaces': `${' '.repeat(9.8 * MIB)}1`,
}

/** Those of them that cost the most where they have to be short. */
export const JSON_BOMBS_OF_AN_EVENT: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(JSON_BOMBS).filter(([name]) => /keys|objects|numbers|quotes/.test(name)),
)

/** Tools that cost more to look at than others: whose schema goes 3,000 levels deep, has 40,000 properties, or a pattern that takes for ever. */
export const SCHEMA_BOMBS: Readonly<Record<string, string>> = {
  'a schema 3,000 levels deep': tool(`${'{"properties":{"a":'.repeat(3_000)}{}${'}}'.repeat(3_000)}`),
  'a schema of 40,000 properties': tool(
    `{"properties":{${Array.from({ length: 4e4 }, (_, index) => `"p${index}":{}`).join(',')}}}`,
  ),
  'a pattern that takes for ever': tool('{"properties":{"a":{"pattern":"^(a+)+$"}}}'),
  'a list of 2,000 tools': Array.from({ length: 2e3 }, (_, index) => `{"name":"t${index}","inputSchema":{}}`).join(','),
}

function tool(schema: string): string {
  return `{"name":"bomb","inputSchema":${schema}}`
}

const zeros = Buffer.alloc(100 * MIB, '0')
const gzipped = gzipSync(zeros)

/** A few kilobytes that become 100 MiB. */
export const COMPRESSED: Readonly<Record<string, { readonly body: Uint8Array; readonly encoding: string }>> = {
  gzip: { body: gzipped, encoding: 'gzip' },
  'gzip within gzip': { body: gzipSync(gzipped), encoding: 'gzip, gzip' },
  'gzip within gzip that says it is one': { body: gzipSync(gzipped), encoding: 'gzip' },
  brotli: {
    body: brotliCompressSync(zeros, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }),
    encoding: 'br',
  },
}
