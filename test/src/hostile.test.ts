import { createLatchkey } from '@latchkey/core'
import * as fc from 'fast-check'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from './fixtures/process/startServe.ts'
import { JSON_BOMBS, MIB } from './hostile/corpus.ts'
import { callWith, list, post, REQUESTS } from './hostile/hostileClients.ts'
import {
  ANSWERS,
  GOOD_LIST,
  LISTS,
  startHostileUpstream,
  well,
  type HostileUpstream,
} from './hostile/hostileUpstream.ts'
import { PROGRAM_ATTACKS } from './hostile/programAttacks.ts'
import { startMeasured, type Measured, type MeasuredGateway } from './hostile/startMeasured.ts'

const CLIENT = { clientId: 'app', clientSecret: 'hostile-client-secret' }
const MAX_TURN_MS = 100
/** Twice what a body, or an answer, may be long. */
const MAX_GROWTH_BYTES = 2 * 10 * MIB
/** Whatever else the process and the machine do makes a figure greater, and never smaller. */
const RUNS = 4
const PROGRAM = fileURLToPath(new URL('hostile/hostileProgram.ts', import.meta.url))

describe('a gateway process', () => {
  let upstream: HostileUpstream
  let gateway: MeasuredGateway
  let url: URL
  /** Of the endpoint before a program. */
  let programUrl: URL
  beforeAll(async () => {
    upstream = await startHostileUpstream()
    const publicUrl = `http://127.0.0.1:${await freePort()}`
    gateway = await startMeasured({
      publicUrl,
      database: 'sqlite::memory:',
      clients: [CLIENT],
      connections: {
        one: { mcpServerUrl: upstream.url, auth: { type: 'none' } },
        program: {
          command: process.execPath,
          args: ['--disable-warning=ExperimentalWarning', PROGRAM],
          auth: { type: 'none' },
        },
      },
      configs: { all: { one: '*' }, program: { program: '*' } },
      rateLimits: 'off',
    })
    await using latchkey = createLatchkey({ url: publicUrl, ...CLIENT, config: 'all' })
    url = new URL(await latchkey.mcpUrl('ada'))
    programUrl = new URL(await latchkey.mcpUrl('ada', { config: 'program' }))
    // What every process does once is no attack's doing.
    for (let count = 0; count < 100; count += 1) {
      await post(url, callWith('{}'))
      await post(programUrl, callWith('{}'))
    }
  })
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await upstream[Symbol.asyncDispose]()
  })

  /** The least of several runs, of as many as it takes. */
  async function least(attack: () => Promise<unknown>): Promise<Measured> {
    let found: Measured = { longestTurnMs: Infinity, growthBytes: Infinity }
    for (let run = 0; run < RUNS && !isHarmless(found); run += 1) {
      const { longestTurnMs, growthBytes } = await gateway.measure(async () => void (await attack()))
      found = {
        longestTurnMs: Math.min(found.longestTurnMs, longestTurnMs),
        growthBytes: Math.min(found.growthBytes, growthBytes),
      }
    }
    return found
  }

  /** What is wrong with how the gateway took this; nothing if it took it well. */
  async function harmOf(attack: () => Promise<unknown>, next = url): Promise<string[]> {
    const { longestTurnMs, growthBytes } = await least(attack)
    upstream.attack = well
    const { text } = await post(next, callWith('{}'))
    return [
      ...(longestTurnMs < MAX_TURN_MS ? [] : [`one turn of the event loop took ${longestTurnMs} ms`]),
      ...(growthBytes < MAX_GROWTH_BYTES ? [] : [`the memory grew by ${growthBytes} bytes`]),
      ...(text.includes('"content":[]') ? [] : [`the next call was answered with ${text}`]),
    ]
  }

  it.each(Object.entries(ANSWERS))('T44 T46: withstands an answer of %s', async (_what, attack) => {
    upstream.attack = attack
    expect(await harmOf(() => post(url, callWith('{}')))).toEqual([])
  })

  it.each(Object.entries(LISTS))('T46: withstands %s', async (_what, listed) => {
    upstream.list = listed
    expect(await harmOf(() => list(url))).toEqual([])
    upstream.list = GOOD_LIST
    expect((await list(url)).text).toContain('"name":"one"')
  })

  it.each([...Object.keys(JSON_BOMBS), ...PROGRAM_ATTACKS])(
    'T46: withstands a program that writes %s',
    async (attack) => {
      const call = callWith(JSON.stringify({ attack }), '"progressToken":1,"io.modelcontextprotocol/logLevel":"debug",')
      // What is still to come of an attack is over with the answer to the next call.
      const callTwice = async () => [await post(programUrl, call), await post(programUrl, callWith('{}'))]
      expect(await harmOf(callTwice, programUrl)).toEqual([])
    },
  )

  it.each(Object.entries(REQUESTS))('T44 T47: withstands a request with %s', async (_what, attack) => {
    expect(await harmOf(() => attack(url))).toEqual([])
  })

  it('T46: withstands whatever a valid message is changed into, in both directions', async () => {
    const edits = fc.array(
      fc.record({ at: fc.nat(), removed: fc.nat(8), put: fc.oneof(fc.string({ unit: 'binary' }), odd) }),
      { maxLength: 6 },
    )
    const harm = await harmOf(async () => {
      await fc.assert(
        fc.asyncProperty(edits, edits, async (ofRequest, ofAnswer) => {
          upstream.attack = (response, id) => {
            const text = `{"jsonrpc":"2.0","id":${id},"result":{"resultType":"complete","content":[]}}`
            response.writeHead(200, { 'content-type': 'application/json' }).end(changed(text, ofAnswer))
          }
          const { status } = await post(url, callWith('{}'))
          expect(status).toBe(200)
          await post(url, changed(callWith('{"a":[1,{"b":"c"}]}'), ofRequest))
        }),
        { numRuns: 40 },
      )
    })
    expect(harm).toEqual([])
  })
})

function isHarmless({ longestTurnMs, growthBytes }: Measured): boolean {
  return longestTurnMs < MAX_TURN_MS && growthBytes < MAX_GROWTH_BYTES
}

/** What a parser, or a reader of spans, may stumble over. */
const odd = fc.constantFrom(
  '"',
  '\\',
  '\\"',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '\u0000',
  '\\u0000',
  '1e999',
  '{"a":',
  '[['.repeat(500),
)

function changed(text: string, edits: readonly { at: number; removed: number; put: string }[]): string {
  let result = text
  for (const { at, removed, put } of edits) {
    const index = at % (result.length + 1)
    result = result.slice(0, index) + put + result.slice(index + removed)
  }
  return result
}
