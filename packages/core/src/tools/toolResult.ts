import type { CallToolResult } from '@modelcontextprotocol/client'

/**
 * The words of a tool's result: its text parts, one after the other, or its structured content as JSON where it has no
 * text. Media and links are named by kind.
 */
export function textOfResult(result: CallToolResult): string {
  const parts = result.content.map(textOfPart).filter((text) => text !== '')
  if (parts.length > 0) return parts.join('\n')
  return result.structuredContent === undefined ? '' : JSON.stringify(result.structuredContent)
}

function textOfPart(part: CallToolResult['content'][number]): string {
  switch (part.type) {
    case 'text':
      return part.text
    case 'image':
    case 'audio':
      return `[${part.type} ${part.mimeType}]`
    case 'resource':
      return 'text' in part.resource ? part.resource.text : `[resource ${part.resource.uri}]`
    case 'resource_link':
      return `[resource ${part.uri}]`
    default:
      return ''
  }
}
