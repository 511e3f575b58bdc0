import { describe, expect, it } from 'vitest'
import { createClosers } from '../src/closers.ts'

describe('createClosers', () => {
  it('closes one after the other, the last one first', async () => {
    const closers = createClosers()
    const seen: string[] = []
    closers.add(() => void seen.push('store'))
    closers.add(async () => {
      seen.push('app begins')
      await Promise.resolve()
      seen.push('app ends')
    })
    await closers.closeAll()
    expect(seen).toEqual(['app begins', 'app ends', 'store'])
  })

  it('closes the others, and says what failed, when one cannot be closed', async () => {
    const closers = createClosers()
    const seen: string[] = []
    closers.add(() => void seen.push('first'))
    closers.add(() => Promise.reject(new Error('stuck')))
    closers.add(() => void seen.push('last'))
    await expect(closers.closeAll()).rejects.toThrow('stuck')
    expect(seen).toEqual(['last', 'first'])
  })

  it('gives every failure when several cannot be closed', async () => {
    const closers = createClosers()
    const [one, two] = [new Error('one'), new Error('two')]
    closers.add(() => Promise.reject(one))
    closers.add(() => {
      throw two
    })
    await expect(closers.closeAll()).rejects.toMatchObject({ errors: [two, one] })
  })

  it('closes everything once when it is asked several times', async () => {
    const closers = createClosers()
    let times = 0
    closers.add(() => void (times += 1))
    await Promise.all([closers.closeAll(), closers.closeAll()])
    await closers.closeAll()
    expect(times).toBe(1)
  })
})
