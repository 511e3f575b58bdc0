import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { exposedToolName, isChangedToolName, mayBelongTo, unchangedUpstreamName } from '../../src/mcp/toolNames.ts'

/** As the configuration takes them: no two underscores in a row, but one at the end. */
const connectionNames = fc.stringMatching(/^[a-c0-2][a-c_-]{0,31}$/).filter((name) => !name.includes('__'))
const toolNames = fc.oneof(
  fc.string({ minLength: 1, unit: 'grapheme' }),
  fc.stringMatching(/^[A-Za-z0-9_-]{1,80}$/),
  fc.stringMatching(/^_{0,3}[a-c_]{1,4}(?:_[0-9a-f]{8})?$/),
)
const namings = fc.record({ prefixed: fc.boolean() })

describe('exposedToolName', () => {
  it('gives a name that every model provider accepts, whatever the upstream calls its tool', () => {
    fc.assert(
      fc.property(namings, connectionNames, toolNames, (naming, connection, tool) => {
        expect(exposedToolName(naming, connection, tool)).toMatch(/^[A-Za-z0-9_-]{1,64}$/)
      }),
    )
  })

  it('never gives two tools of one config the same name', () => {
    const pairs = fc.uniqueArray(fc.tuple(connectionNames, toolNames), { selector: (pair) => JSON.stringify(pair) })
    fc.assert(
      fc.property(pairs, (tools) => {
        const names = tools.map(([connection, tool]) => exposedToolName({ prefixed: true }, connection, tool))
        expect(new Set(names).size).toBe(tools.length)
      }),
      { numRuns: 500 },
    )
  })

  it('can be read back', () => {
    fc.assert(
      fc.property(namings, connectionNames, toolNames, (naming, connection, tool) => {
        const exposed = exposedToolName(naming, connection, tool)
        expect(mayBelongTo(naming, connection, exposed)).toBe(true)
        const readBack = unchangedUpstreamName(naming, connection, exposed)
        expect(isChangedToolName(exposed) ? undefined : tool).toBe(readBack)
      }),
    )
  })

  it('leaves a safe name as the upstream gives it when the config has one connection', () => {
    expect(exposedToolName({ prefixed: false }, 'mail', 'search_mail')).toBe('search_mail')
  })

  it('puts the connection before it when the config has several', () => {
    expect(exposedToolName({ prefixed: true }, 'mail', 'search')).toBe('mail__search')
  })

  it('tells apart what a separator alone would not', () => {
    const naming = { prefixed: true }
    expect(exposedToolName(naming, 'a_', 'x')).not.toBe(exposedToolName(naming, 'a', '_x'))
    expect(exposedToolName(naming, 'a_', 'x!')).not.toBe(exposedToolName(naming, 'a', '_x!'))
  })

  it('does not let a tool take the name that another was changed to', () => {
    const naming = { prefixed: false }
    const changed = exposedToolName(naming, 'mail', 'search mail')
    expect(changed).toMatch(/^search_mail_[0-9a-f]{8}$/)
    expect(exposedToolName(naming, 'mail', changed)).not.toBe(changed)
  })
})

describe('unchangedUpstreamName', () => {
  it('gives undefined when the name belongs to another connection or to none', () => {
    expect(unchangedUpstreamName({ prefixed: true }, 'mail', 'calendar__search')).toBeUndefined()
    expect(unchangedUpstreamName({ prefixed: true }, 'mail', 'Mail__search')).toBeUndefined()
    expect(unchangedUpstreamName({ prefixed: true }, 'mail', 'mail__')).toBeUndefined()
  })
})
