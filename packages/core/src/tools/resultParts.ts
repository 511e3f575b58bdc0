import { isDeepStrictEqual } from 'node:util'
import type { CallToolResult } from '@modelcontextprotocol/client'

/** What an MCP tool answers, as the protocol has it. */
export type ToolResult = CallToolResult

/** Words for the model. */
export interface TextPart {
  readonly type: 'text'
  readonly text: string
}

/** A file for the model: an image, a sound, a document. */
export interface MediaPart {
  readonly type: 'media'
  readonly mimeType: string
  /** Base64. */
  readonly data: string
  /** The file's name, where it has one. */
  readonly name?: string
}

/** A tool result's content in the two kinds that models take. */
export type ResultPart = TextPart | MediaPart

/** Whether the model is given files of this MIME type. */
export type Attach = (mimeType: string) => boolean

type Block = ToolResult['content'][number]

/**
 * Says a tool's result in the two kinds of content that every framework can give to a model. For whoever writes an
 * adapter. Resource links are described, because a provider could not follow them. Structured content that no text
 * repeats is added as JSON, so that the model sees it exactly once.
 *
 * @param attach - Whether the model is given files of this MIME type. The others are named to it in words. Default: all.
 * @example
 * const words = resultParts(await userTool.call(args)).flatMap((part) => (part.type === 'text' ? [part.text] : []))
 */
export function resultParts({ content, structuredContent }: ToolResult, attach: Attach = () => true): ResultPart[] {
  const parts = content.map((block) => shown(toPart(block), attach))
  if (structuredContent === undefined || parts.some((part) => isJsonOf(part, structuredContent))) return parts
  return [...parts, text(JSON.stringify(structuredContent))]
}

function toPart(block: Block): ResultPart {
  switch (block.type) {
    case 'text':
      return text(block.text)
    case 'image':
    case 'audio':
      return { type: 'media', mimeType: block.mimeType, data: block.data }
    case 'resource':
      return fromResource(block.resource)
    case 'resource_link':
      return text(describeLink(block))
    default:
      // A kind that a later protocol version adds.
      return text(JSON.stringify(block))
  }
}

function fromResource(resource: Extract<Block, { type: 'resource' }>['resource']): ResultPart {
  if ('text' in resource) return text(`Resource ${resource.uri}:\n${resource.text}`)
  const { uri, blob: data, mimeType = 'application/octet-stream' } = resource
  return { type: 'media', mimeType, data, name: uri.split('/').at(-1) || uri }
}

function shown(part: ResultPart, attach: Attach): ResultPart {
  return part.type === 'text' || attach(part.mimeType) ? part : text(describeFile(part))
}

function describeFile({ name, mimeType }: MediaPart): string {
  return `The tool returned a file that cannot be shown here: ${name ?? 'without a name'} (${mimeType}).`
}

/** Described, not attached: the URI is the MCP server's, and a provider that fetched it would find nothing there. */
function describeLink({ title, name, uri, mimeType, description }: Extract<Block, { type: 'resource_link' }>): string {
  const details = [mimeType, description].filter((detail) => detail !== undefined).join(', ')
  return `Resource link: [${title ?? name}](${uri})${details === '' ? '' : ` (${details})`}`
}

function isJsonOf(part: ResultPart, value: unknown): boolean {
  if (part.type !== 'text') return false
  try {
    return isDeepStrictEqual(JSON.parse(part.text), value)
  } catch {
    return false
  }
}

function text(value: string): TextPart {
  return { type: 'text', text: value }
}
