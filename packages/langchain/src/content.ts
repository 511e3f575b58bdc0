import type { ContentBlock, Data, MessageContent } from '@langchain/core/messages'

import { resultParts, type MediaPart, type ResultPart, type ToolResult } from './resultParts.ts'

/** Text alone is one string: OpenAI's Responses API would otherwise be sent the blocks as JSON. */
export function toContent(result: ToolResult): MessageContent {
  const blocks = resultParts(result).map(toBlock)
  return blocks.every((block) => block.type === 'text') ? blocks.map(({ text }) => text).join('\n') : blocks
}

function toBlock(part: ResultPart): ContentBlock.Text | Data.Base64ContentBlock {
  if (part.type === 'text') return part
  const type = blockType(part.mimeType)
  return type === undefined ? { type: 'text', text: describe(part) } : toDataBlock(type, part)
}

/**
 * `source_type` blocks are what every provider's converter takes in a tool result, and `message.contentBlocks` gives
 * them as v1 blocks. The v1 form itself is lost on the way to Anthropic, and OpenAI's Responses API is sent an
 * assistant message in its place.
 */
function toDataBlock(type: Data.Base64ContentBlock['type'], { mimeType, data, name }: MediaPart) {
  return { type, source_type: 'base64', mime_type: mimeType, data, metadata: { filename: name } } as const
}

/** A block that a converter does not know ends the run, so other files are only named; the artifact has their bytes. */
function blockType(mimeType: string): Data.Base64ContentBlock['type'] | undefined {
  if (mimeType.startsWith('image/')) return 'image'
  if (mimeType.startsWith('audio/')) return 'audio'
  return mimeType === 'application/pdf' ? 'file' : undefined
}

function describe({ name, mimeType }: MediaPart): string {
  return `The tool returned the file ${name} (${mimeType}), which cannot be shown here.`
}
