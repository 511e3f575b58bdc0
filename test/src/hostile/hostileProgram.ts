/**
 * An MCP server of 2026-07-28 on standard input and output whose one tool answers with the attack that its arguments name.
 * Reads a line for each message; everything else that it reads is thrown away.
 */
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { JSON_BOMBS, MIB } from './corpus.ts'
import { PROGRAM_ATTACKS, type ProgramAttack } from './programAttacks.ts'

const { stdin, stdout } = process
// Whoever has heard enough closes its end.
stdout.on('error', () => process.exit())

/** As much as is read, and never faster. */
async function write(chunk: string | Uint8Array): Promise<void> {
  if (!stdout.write(chunk)) await once(stdout, 'drain')
}

async function pour(line: string | Uint8Array, bytes: number): Promise<void> {
  const times = Math.ceil(MIB / line.length)
  const chunk = typeof line === 'string' ? line.repeat(times) : Buffer.alloc(times * line.length, line)
  for (let written = 0; written < bytes; written += chunk.length) await write(chunk)
}

const told = (method: string, params: string) => `{"jsonrpc":"2.0","method":"${method}","params":{${params}}}\n`

/** What comes before the answer to the request with this id and progress token, if there is an answer at all. */
const ATTACKS: Readonly<Record<ProgramAttack, (id: string, token: string) => Promise<void>>> = {
  'a line of 64 MiB': async () => await pour('x', 64 * MIB),
  'an answer of bytes that are no text': async (id) => {
    await write(`{"jsonrpc":"2.0","id":${id},"result":{"content":["`)
    await pour(new Uint8Array([0xff]), 9 * MIB)
    await write('"]}}\n')
  },
  'millions of empty lines': async () => await pour('\n', 64 * MIB),
  'millions of lines that are no messages': async () => await pour('x\n', 64 * MIB),
  'lines of nothing but brackets': async () => await pour(`${'['.repeat(1000)}\n`, 64 * MIB),
  'answers to what nobody asked': async () => await pour('{"jsonrpc":"2.0","id":-1,"result":{}}\n', 64 * MIB),
  'questions without end': async () => await pour('{"jsonrpc":"2.0","id":1,"method":"ping"}\n', 64 * MIB),
  '11 MiB of progress': async (_id, token) =>
    await pour(told('notifications/progress', `"progressToken":${token},"progress":1`), 11 * MIB),
  '11 MiB of log messages': async () => await pour(told('notifications/message', '"level":"info","data":1'), 11 * MIB),
  'lists that change without end': async () => await pour(told('notifications/tools/list_changed', ''), 64 * MIB),
  'an answer in writes of one byte': async (id) => {
    for (const byte of `{"jsonrpc":"2.0","id":${id},"result":{"content":["${'x'.repeat(2e4)}"]}}\n`) await write(byte)
  },
}

async function answer({ id, method, params }: Asked): Promise<void> {
  const reply = async (result: string) => await write(`{"jsonrpc":"2.0","id":${id},"result":${result}}\n`)
  if (method === 'server/discover') return await reply('{"supportedVersions":["2026-07-28"],"capabilities":{}}')
  if (method === 'tools/list') return await reply('{"ttlMs":0,"tools":[{"name":"one","inputSchema":{}}]}')
  if (method !== 'tools/call') return
  const { attack } = params.arguments
  if (attack === undefined) return await reply('{"resultType":"complete","content":[]}')
  const bomb = JSON_BOMBS[attack]
  if (bomb !== undefined) return await reply(`{"content":${bomb}}`)
  await attackOf(attack)(id, JSON.stringify(params['_meta'].progressToken))
}

function attackOf(name: string) {
  const found = PROGRAM_ATTACKS.find((attack) => attack === name)
  if (found === undefined) throw new Error(`There is no attack "${name}".`)
  return ATTACKS[found]
}

interface Asked {
  readonly id: string
  readonly method: string
  readonly params: { readonly arguments: { readonly attack?: string }; readonly _meta: { progressToken: unknown } }
}

for await (const line of createInterface({ input: stdin })) await answer(JSON.parse(line))
