/** What a sealed definition is bound to. */
export function definitionContext({ id, generation }: { id: string; generation: number }): readonly string[] {
  return ['connections', id, 'sealed_definition', String(generation)]
}
