import { describe, expect, it } from 'vitest'
import { parseOptions } from '../../src/config/parseOptions.ts'
import { OPTIONS } from '../control/openRooms.ts'

const parse = (configs: Record<string, unknown>) => parseOptions({ ...OPTIONS, configs }, { environment: {} })

describe('parseOptions, toolNames of a config', () => {
  it('takes plain and prefixed names, and leaves it open where nothing is said', () => {
    const { configs } = parse({
      one: { toolNames: 'prefixed', mail: '*' },
      two: { mail: ['search'], toolNames: 'plain', docs: ['read'] },
      three: { mail: '*' },
    })
    expect(configs).toEqual([
      { name: 'one', toolNames: 'prefixed', mappings: [{ connectionName: 'mail', tools: undefined }] },
      {
        name: 'two',
        toolNames: 'plain',
        mappings: [
          { connectionName: 'mail', tools: ['search'] },
          { connectionName: 'docs', tools: ['read'] },
        ],
      },
      { name: 'three', toolNames: undefined, mappings: [{ connectionName: 'mail', tools: undefined }] },
    ])
  })

  it.each([
    [
      'a name that two connections would have',
      { toolNames: 'plain', mail: ['search', 'read'], docs: ['read'] },
      'configs.c: with plain tool names, "read" would be a tool of both "mail" and "docs"',
    ],
    [
      'several connections whose tools are not all named',
      { toolNames: 'plain', mail: ['search'], docs: '*' },
      'configs.c: with plain tool names and several connections, the tools of "docs" have to be named one by one',
    ],
    ['another word', { toolNames: 'short', mail: '*' }, 'configs.c.toolNames: must be "plain" or "prefixed"'],
    ['no connection', { toolNames: 'plain' }, 'configs.c: names no connection'],
  ])('refuses %s', (_what, config, message) => {
    expect(() => parse({ c: config })).toThrow(message)
  })
})
