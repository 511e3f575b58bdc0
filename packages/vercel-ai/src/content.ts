import { resultParts, type ResultPart, type ToolResult } from '@latchkey/core'
import type { ToolResultPart } from 'ai'

type ModelOutput = ToolResultPart['output']
type ContentPart = Extract<ModelOutput, { type: 'content' }>['value'][number]

export function toModelOutput(result: ToolResult): ModelOutput {
  const parts = resultParts(result)
  if (!parts.every((part) => part.type === 'text')) return { type: 'content', value: parts.map(toContentPart) }
  return { type: 'text', value: parts.map(({ text }) => text).join('\n') }
}

function toContentPart(part: ResultPart): ContentPart {
  if (part.type === 'text') return part
  const { mimeType: mediaType, data, name: filename } = part
  return { type: 'file', mediaType, data: { type: 'data', data }, filename }
}
