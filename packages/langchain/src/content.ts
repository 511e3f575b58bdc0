import { resultParts, type Attach, type MediaPart, type ResultPart, type ToolResult } from '@latchkey/core'
import type { ContentBlock, Data, MessageContent } from '@langchain/core/messages'

const isImage: Attach = (mimeType) => mimeType.startsWith('image/')

/** Text alone is one string: OpenAI's Responses API would otherwise be sent the blocks as JSON. */
export function toContent(result: ToolResult, attach: Attach = isImage): MessageContent {
  const blocks = resultParts(result, attach).map(toBlock)
  return blocks.every((block) => block.type === 'text') ? blocks.map(({ text }) => text).join('\n') : blocks
}

function toBlock(part: ResultPart): ContentBlock.Text | Data.Base64ContentBlock {
  return part.type === 'text' ? { type: 'text', text: part.text } : toDataBlock(part)
}

/**
 * `source_type` blocks are what every provider's converter takes in a tool result, and `message.contentBlocks` gives
 * them as v1 blocks. The v1 form itself is lost on the way to Anthropic, and marked as v1 it makes
 * `@langchain/openai` send the Responses API an assistant message in its place.
 */
function toDataBlock({ mimeType, data, name }: MediaPart): Data.Base64ContentBlock {
  return { type: blockType(mimeType), source_type: 'base64', mime_type: mimeType, data, metadata: { filename: name } }
}

function blockType(mimeType: string): Data.Base64ContentBlock['type'] {
  if (mimeType.startsWith('image/')) return 'image'
  return mimeType.startsWith('audio/') ? 'audio' : 'file'
}
