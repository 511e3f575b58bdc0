import { resultParts, type Attach, type MediaPart, type ResultPart, type ToolResult } from '@latchkey/core'
import type { ToolOutputFileContent, ToolOutputImage, ToolOutputText } from '@openai/agents'

/** What the SDK takes of a tool: text, or parts for the model. */
export type Output = string | (ToolOutputText | ToolOutputImage | ToolOutputFileContent)[]

/** What the Responses API takes of a tool. */
const isImageOrPdf: Attach = (mimeType) => mimeType.startsWith('image/') || mimeType === 'application/pdf'

/** Text alone is one string, because Chat Completions takes nothing else of a tool. */
export function toOutput(result: ToolResult, attach: Attach = isImageOrPdf): Output {
  const parts = resultParts(result, attach)
  return parts.every((part) => part.type === 'text') ? parts.map(({ text }) => text).join('\n') : parts.map(toPart)
}

function toPart(part: ResultPart): Exclude<Output, string>[number] {
  if (part.type === 'text') return { type: 'text', text: part.text }
  return part.mimeType.startsWith('image/') ? toImage(part) : toFile(part)
}

function toImage({ mimeType: mediaType, data }: MediaPart): ToolOutputImage {
  return { type: 'image', image: { data, mediaType } }
}

function toFile({ mimeType: mediaType, data, name: filename = 'file' }: MediaPart): ToolOutputFileContent {
  return { type: 'file', file: { data, mediaType, filename } }
}
