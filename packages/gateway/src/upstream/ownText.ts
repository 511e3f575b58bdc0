/**
 * The same text, standing alone, for what is kept. A part that V8 cuts out of a text only points into it, and keeps all of
 * it in memory, however little of it is wanted (security T44).
 */
export function ownText(part: string): string {
  return Buffer.from(part).toString()
}
