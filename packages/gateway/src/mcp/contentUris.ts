import { elements, member, members, valueAt, type Edit } from '../upstream/jsonSpans.ts'

/**
 * The edits that give the resources of a result the names that the endpoint has for them: in the content of a tool
 * call, the messages of a prompt, and the contents of a resource.
 */
export function contentUriEdits(text: string, rename: (uri: string) => string): Edit[] {
  const result = valueAt(text, 'result')
  if (result === undefined) return []
  const all = members(text, result.start)
  return [
    ...each(text, member(all, 'content')?.start).flatMap((at) => blockEdits(text, at, rename)),
    ...each(text, member(all, 'contents')?.start).flatMap((at) => uriEdits(text, at, rename)),
    ...each(text, member(all, 'messages')?.start).flatMap((at) => {
      const content = member(members(text, at), 'content')
      return content === undefined ? [] : blockEdits(text, content.start, rename)
    }),
  ]
}

function each(text: string, at: number | undefined): number[] {
  return at === undefined ? [] : elements(text, at).map(({ start }) => start)
}

/** A content block: a link to a resource, or a resource in it. Other blocks have no URI of their own. */
function blockEdits(text: string, at: number, rename: (uri: string) => string): Edit[] {
  const all = members(text, at)
  const type = member(all, 'type')
  const kind: unknown = type && JSON.parse(text.slice(type.start, type.end))
  if (kind === 'resource_link') return uriEdits(text, at, rename)
  const resource = kind === 'resource' ? member(all, 'resource') : undefined
  return resource === undefined ? [] : uriEdits(text, resource.start, rename)
}

function uriEdits(text: string, at: number, rename: (uri: string) => string): Edit[] {
  const place = member(members(text, at), 'uri')
  const uri: unknown = place && JSON.parse(text.slice(place.start, place.end))
  return place === undefined || typeof uri !== 'string' ? [] : [{ ...place, text: JSON.stringify(rename(uri)) }]
}
