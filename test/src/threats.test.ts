import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const page = await readFile(join(ROOT, 'docs/threats.md'), 'utf8')

/** The rows of the page: a number, and the tests that are named for it. */
const rows = [...page.matchAll(/^\| (T\d+) +\|(.*)\|(.*)\|$/gm)].map(([, id = '', what = '', cell = '']) => ({
  id,
  applies: !what.includes('Does not apply'),
  tests: [...cell.matchAll(/`([^`]+\.test\.ts)`(?:: (.*?))?(?=<br>| *$)/g)].map(([, file = '', name = '']) => ({
    file,
    name,
  })),
}))

describe('docs/threats.md', () => {
  it('names a test for each threat that applies', () => {
    expect(rows.length).toBeGreaterThan(45)
    expect(rows.filter(({ applies, tests }) => applies && tests.length === 0)).toEqual([])
  })

  it.each(rows.filter(({ applies }) => applies))(
    '$id: names tests that there are, and that have its number',
    async ({ id, tests }) => {
      const [first] = tests
      const texts = await Promise.all(tests.map(async ({ file }) => await readFile(join(ROOT, file), 'utf8')))
      for (const [index, { name }] of tests.entries()) expect(texts[index]).toContain(name)
      const line = texts[0]
        ?.split('\n')
        .find((each) => each.includes(first?.name ?? '-') && new RegExp(`\\b${id}\\b`).test(each))
      expect(line).toBeDefined()
    },
  )
})
