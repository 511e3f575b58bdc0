import { resultParts, type MediaPart, type ResultPart, type ToolResult } from '@latchkey/core'

/** What Mastra's `toModelOutput` gives to the model: it turns the parts into those of the model's generation. */
export function toModelOutput(result: ToolResult) {
  const parts = resultParts(result)
  if (!parts.every((part) => part.type === 'text')) return { type: 'content', value: parts.map(toPart) }
  return { type: 'text', value: parts.map(({ text }) => text).join('\n') }
}

function toPart(part: ResultPart) {
  return part.type === 'text' ? part : toFile(part)
}

function toFile({ mimeType: mediaType, data, name: filename }: MediaPart) {
  const type = mediaType.startsWith('image/') ? 'image-data' : 'file-data'
  return { type, mediaType, data, ...(filename !== undefined && { filename }) }
}
