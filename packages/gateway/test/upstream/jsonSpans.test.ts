import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  applyEdits,
  DuplicateKeyError,
  elements,
  insertMember,
  member,
  members,
  objectOf,
  removeMember,
  valueAt,
} from '../../src/upstream/jsonSpans.ts'

/** JSON as anybody may write it: with or without line breaks and indentation. */
const spacing = fc.constantFrom(undefined, 1, '\t', ' \n ')
// As JSON reads them back, which knows no negative zero.
const objects = fc
  .dictionary(fc.string({ unit: 'binary' }), fc.jsonValue())
  .map((value): Record<string, unknown> => JSON.parse(JSON.stringify(value)))

describe('members', () => {
  it('gives every member of any object with its exact text', () => {
    fc.assert(
      fc.property(objects, spacing, (value, space) => {
        const text = JSON.stringify(value, undefined, space)
        const found = members(text)
        expect(found.map(({ key }) => key)).toEqual(Object.keys(value))
        for (const { key, start, end } of found) expect(JSON.parse(text.slice(start, end))).toEqual(value[key])
      }),
    )
  })

  it('gives a key as it is meant when it is written with escapes', () => {
    expect(members(String.raw`{"\u006eame":1,"a\"b":2,"c\\":3}`).map(({ key }) => key)).toEqual(['name', 'a"b', 'c\\'])
  })

  it('keeps __proto__ an ordinary key', () => {
    expect(members('{"__proto__":{"name":"x"},"name":"y"}').map(({ key }) => key)).toEqual(['__proto__', 'name'])
  })

  it('gives nothing when the value is not an object', () => {
    for (const text of ['[1]', '"{"', '1', 'null']) expect(members(text)).toEqual([])
  })

  it('reads nesting of any depth without a call stack to match', () => {
    const deep = `{"a":${'['.repeat(200_000)}${']'.repeat(200_000)},"b":1}`
    expect(members(deep).map(({ key }) => key)).toEqual(['a', 'b'])
  })
})

describe('elements', () => {
  it('gives every element of any array with its exact text', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), spacing, (value, space) => {
        const text = JSON.stringify(value, undefined, space)
        expect(elements(text).map(({ start, end }) => JSON.parse(text.slice(start, end)))).toEqual(
          JSON.parse(JSON.stringify(value)),
        )
      }),
    )
  })
})

describe('valueAt', () => {
  it('finds the value at a path and leaves its text as written', () => {
    const text = '{ "params" : {"arguments":{"n": 12345678901234567890 , "f":1.0}} }'
    const span = valueAt(text, 'params', 'arguments')
    expect(span && text.slice(span.start, span.end)).toBe('{"n": 12345678901234567890 , "f":1.0}')
  })

  it('gives undefined when a name on the path is missing', () => {
    expect(valueAt('{"a":{}}', 'a', 'b')).toBeUndefined()
  })

  it('refuses a path on which a name occurs twice, however it is written', () => {
    expect(() => valueAt(String.raw`{"params":{"name":"a","\u006eame":"b"}}`, 'params', 'name')).toThrow(
      DuplicateKeyError,
    )
  })
})

describe('applyEdits', () => {
  it('changes one member of any object and nothing else', () => {
    fc.assert(
      fc.property(objects, fc.jsonValue(), spacing, (value, replacement, space) => {
        const text = JSON.stringify(value, undefined, space)
        for (const place of members(text)) {
          const edited = applyEdits(text, [{ ...place, text: JSON.stringify(replacement) }])
          const expected = JSON.parse(text.slice(0, place.start) + JSON.stringify(replacement) + text.slice(place.end))
          expect(JSON.parse(edited)).toEqual(expected)
          expect(edited.length - JSON.stringify(replacement).length).toBe(text.length - (place.end - place.start))
        }
      }),
    )
  })
})

describe('insertMember, removeMember and objectOf', () => {
  it('leave valid JSON with just that member more or less', () => {
    fc.assert(
      fc.property(objects, spacing, (value, space) => {
        const text = JSON.stringify(value, undefined, space)
        const all = members(text)
        const inserted = applyEdits(text, [insertMember(0, all, 'a new one that is long', '1')])
        expect(Object.keys(JSON.parse(inserted))).toHaveLength(Object.keys(value).length + 1)
        for (const removed of all) {
          const expected = all.filter((each) => each !== removed).map(({ key }) => key)
          expect(members(applyEdits(text, [removeMember(all, removed)])).map(({ key }) => key)).toEqual(expected)
          expect(
            members(
              objectOf(
                text,
                all.filter((each) => each !== removed),
              ),
            ).map(({ key }) => key),
          ).toEqual(expected)
        }
      }),
    )
  })

  it('finds one member among many', () => {
    const all = members('{"a":1,"b":2}')
    expect(member(all, 'b')?.key).toBe('b')
    expect(member(all, 'c')).toBeUndefined()
  })
})
