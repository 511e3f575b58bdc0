import { isSchema, keyword, listOf, recordOf, type Schema } from './jsonSchema.ts'

/**
 * Forms of an `anyOf` that can be told apart by the first key that each has, which OpenAI wants in strict mode ("Objects
 * provided via 'anyOf' must not share identical first keys. Consider adding a discriminator key"): their properties in
 * another order. Undefined if there is no such order.
 */
export function distinctFirstKeys(forms: readonly unknown[]): readonly unknown[] | undefined {
  const objects = forms.filter((form) => isSchema(form) && namesIn(form).length > 0)
  if (objects.length < 2) return forms
  const discriminator = namesIn(objects[0]).find((name) => {
    const values = objects.map((form) => fixedValue(form, name))
    return !values.includes(undefined) && new Set(values).size === objects.length
  })
  const firsts = discriminator === undefined ? distinctNames(objects) : objects.map(() => discriminator)
  if (firsts === undefined) return undefined
  const first = new Map(objects.map((form, index) => [form, firsts[index] ?? '']))
  return forms.map((form) => (first.has(form) && isSchema(form) ? withFirst(form, first.get(form) ?? '') : form))
}

function namesIn(form: unknown): readonly string[] {
  return isSchema(form) ? Object.keys(recordOf(keyword(form, 'properties'))) : []
}

/** The only value that a property can have, as JSON. */
function fixedValue(form: unknown, name: string): string | undefined {
  const property = isSchema(form) ? recordOf(keyword(form, 'properties'))[name] : undefined
  if (!isSchema(property)) return undefined
  if (Object.hasOwn(property, 'const')) return JSON.stringify(property['const'])
  const values = listOf(keyword(property, 'enum'))
  return values.length === 1 ? JSON.stringify(values[0]) : undefined
}

/** A name for each form that it shares with no form that was given one; forms with few names choose first. */
function distinctNames(objects: readonly unknown[]): readonly string[] | undefined {
  const taken = new Map<string, unknown>()
  for (const form of objects.toSorted((a, b) => namesIn(a).length - namesIn(b).length)) {
    const name = namesIn(form).find((each) => !taken.has(each))
    if (name === undefined) return undefined
    taken.set(name, form)
  }
  const names = new Map([...taken].map(([name, form]) => [form, name]))
  return objects.map((form) => names.get(form) ?? '')
}

function withFirst(form: Schema, first: string): Schema {
  const properties = recordOf(keyword(form, 'properties'))
  const names = [first, ...Object.keys(properties).filter((name) => name !== first)]
  const entries = names.map((name): [string, unknown] => [name, properties[name]])
  return { ...form, properties: Object.fromEntries(entries), required: names }
}
