import { describe, expect, it } from 'vitest'
import { resultParts, type ToolResult } from '../src/index.ts'

/** As it comes over the wire: a kind of content need not be one that we know. */
const block = (value: unknown): ToolResult => JSON.parse(JSON.stringify({ content: [value] }))

describe('resultParts', () => {
  it('gives words as words, and media as base64 with its kind', () => {
    const content: ToolResult['content'] = [
      { type: 'text', text: 'a' },
      { type: 'image', data: 'aW1n', mimeType: 'image/png' },
      { type: 'audio', data: 'd2F2', mimeType: 'audio/wav' },
    ]
    expect(resultParts({ content })).toEqual([
      { type: 'text', text: 'a' },
      { type: 'media', mimeType: 'image/png', data: 'aW1n' },
      { type: 'media', mimeType: 'audio/wav', data: 'd2F2' },
    ])
  })

  it('adds structured content as JSON when no text repeats it', () => {
    const structuredContent = { a: 1, b: [2] }
    const repeated: ToolResult = { content: [{ type: 'text', text: '{ "b": [2], "a": 1 }' }], structuredContent }
    expect(resultParts(repeated)).toHaveLength(1)
    const words: ToolResult = { content: [{ type: 'text', text: 'a is 1' }], structuredContent }
    expect(resultParts(words)).toEqual([
      { type: 'text', text: 'a is 1' },
      { type: 'text', text: '{"a":1,"b":[2]}' },
    ])
    expect(resultParts({ content: [], structuredContent })).toEqual([{ type: 'text', text: '{"a":1,"b":[2]}' }])
  })

  it('gives an embedded file its name, and says where an embedded text is from', () => {
    const pdf = { uri: 'file:///notes/plan.pdf', blob: 'cGRm', mimeType: 'application/pdf' }
    expect(resultParts(block({ type: 'resource', resource: pdf }))).toEqual([
      { type: 'media', mimeType: 'application/pdf', data: 'cGRm', name: 'plan.pdf' },
    ])
    const unnamed = { uri: 'notes:', blob: 'eA==' }
    expect(resultParts(block({ type: 'resource', resource: unnamed }))).toEqual([
      { type: 'media', mimeType: 'application/octet-stream', data: 'eA==', name: 'notes:' },
    ])
    const note = { uri: 'file:///note.txt', text: 'hello' }
    expect(resultParts(block({ type: 'resource', resource: note }))).toEqual([
      { type: 'text', text: 'Resource file:///note.txt:\nhello' },
    ])
  })

  it('describes a link in words when the content is a resource link', () => {
    const link = { type: 'resource_link', uri: 'mail://1', name: 'm1', title: 'The mail', mimeType: 'text/html' }
    expect(resultParts(block(link))).toEqual([
      { type: 'text', text: 'Resource link: [The mail](mail://1) (text/html)' },
    ])
    expect(resultParts(block({ type: 'resource_link', uri: 'mail://2', name: 'm2' }))).toEqual([
      { type: 'text', text: 'Resource link: [m2](mail://2)' },
    ])
  })

  it('gives a kind that it does not know as JSON', () => {
    expect(resultParts(block({ type: 'hologram', x: 1 }))).toEqual([
      { type: 'text', text: '{"type":"hologram","x":1}' },
    ])
  })
})
