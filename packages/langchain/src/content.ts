import { resultParts, type MediaPart, type ResultPart, type ToolResult } from '@latchkey/core'
import type { ContentBlock, Data, MessageContent } from '@langchain/core/messages'

/** Whether the model is given files of this kind; the others are only named to it. */
type Attach = (mimeType: string) => boolean

const isImage: Attach = (mimeType) => mimeType.startsWith('image/')

/** Text alone is one string: OpenAI's Responses API would otherwise be sent the blocks as JSON. */
export function toContent(result: ToolResult, attach: Attach = isImage): MessageContent {
  const blocks = resultParts(result).map((part) => toBlock(part, attach))
  return blocks.every((block) => block.type === 'text') ? blocks.map(({ text }) => text).join('\n') : blocks
}

function toBlock(part: ResultPart, attach: Attach): ContentBlock.Text | Data.Base64ContentBlock {
  if (part.type === 'text') return { type: 'text', text: part.text }
  return attach(part.mimeType) ? toDataBlock(part) : { type: 'text', text: describe(part) }
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

function describe({ name, mimeType }: MediaPart): string {
  return `The tool returned a file that cannot be shown here: ${name ?? 'without a name'} (${mimeType}).`
}
