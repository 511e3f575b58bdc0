import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { isSame } from '../src/connect/digests.ts'
import { Secret } from '../src/secret.ts'

const PACKAGES = fileURLToPath(new URL('../../', import.meta.url))

/** Comparing or looking up what was revealed would tell by its time how much of a guess was right. */
const COMPARED =
  /reveal\(\)\)?\s*[!=]==?|[!=]==?\s*[\w.?!]+\.reveal\(\)|\.(?:includes|indexOf|startsWith|endsWith|get|has|localeCompare)\([^()]*\.reveal\(\)|reveal\(\)\.(?:includes|indexOf|startsWith|endsWith|localeCompare)\(/

describe('Secret', () => {
  it('shows nothing of its value, however it is printed, copied or looked into', () => {
    const secret = new Secret('canary')
    const shown = [
      inspect(secret, { showHidden: true, depth: 9 }),
      JSON.stringify({ secret }),
      secret.toString(),
      Object.entries(secret),
      Object.assign({}, secret),
    ]
    expect(inspect(shown)).not.toContain('canary')
    expect(secret.reveal()).toBe('canary')
  })

  it('T3: is found equal to nothing, neither to its value nor to another one of the same value', () => {
    const secret: unknown = new Secret('canary')
    expect(secret === 'canary').toBe(false)
    expect(secret === new Secret('canary')).toBe(false)
    expect(['canary'].includes(String(secret))).toBe(false)
    expect(new Map([['canary', 1]]).get(String(secret))).toBeUndefined()
  })
})

describe('the sources', () => {
  it.each(['a.reveal() === b', 'if (a !== b.reveal())', 'list.includes(a.reveal())', 'map.get(x.reveal())'])(
    'T3: would be caught at %s',
    (line) => {
      expect(line).toMatch(COMPARED)
    },
  )

  it('T3: compare no revealed secret, and look none up by its value', async () => {
    const found: string[] = []
    for (const name of ['core', 'gateway', 'langchain', 'vercel-ai']) {
      const folder = join(PACKAGES, name, 'src')
      const files = (await readdir(folder, { recursive: true })).filter((file) => file.endsWith('.ts'))
      for (const file of files) {
        const lines = (await readFile(join(folder, file), 'utf8')).split('\n')
        found.push(...lines.filter((line) => COMPARED.test(line)).map((line) => `${file}: ${line.trim()}`))
      }
    }
    expect(found).toEqual([])
  })
})

describe('isSame', () => {
  it('T3: compares values of any two lengths without throwing', () => {
    for (const [a, b] of [
      ['', 'a'],
      ['a', 'ab'],
      ['é', 'e'],
      ['a'.repeat(10_000), 'a'],
    ] as const) {
      expect(isSame(a, b)).toBe(false)
      expect(isSame(a, a)).toBe(true)
    }
  })
})
