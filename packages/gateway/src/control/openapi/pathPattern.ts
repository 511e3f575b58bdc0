/**
 * What matches the paths of a description: `/a/{id}:verb`. A colon may come percent-encoded, as some clients send it. No
 * id has one in it, so a path with an unknown verb is unknown.
 */
export function pathPattern(path: string): RegExp {
  const parts = path.split(/(\{\w+\}|:)/).map((part) => {
    if (part.startsWith('{')) return '(?:(?!:|%3[aA])[^/])+'
    return part === ':' ? '(?::|%3[aA])' : part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  })
  return new RegExp(`^${parts.join('')}$`)
}
