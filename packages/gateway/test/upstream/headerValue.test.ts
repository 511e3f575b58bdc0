import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeHeaderValue, encodeHeaderValue } from '../../src/upstream/headerValue.ts'

describe('encodeHeaderValue', () => {
  it('gives a header value that decodes to the same text, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const encoded = encodeHeaderValue(text)
        expect(encoded).toMatch(/^[\u0020-\u007e\t]+$/)
        expect(new Headers({ 'mcp-name': encoded }).get('mcp-name')).toBe(encoded)
        expect(decodeHeaderValue(encoded)).toBe(text)
      }),
    )
  })

  it('encodes what looks encoded already', () => {
    expect(encodeHeaderValue('=?base64?literal?=')).toBe('=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=')
  })
})

describe('decodeHeaderValue', () => {
  it('gives undefined when the encoding is broken', () => {
    for (const value of ['=?base64?%%%?=', '=?base64?abc?=', '=?base64?/w==?=']) {
      expect(decodeHeaderValue(value)).toBeUndefined()
    }
  })
})
