const NUMBER_KEYWORDS = ['exclusiveMaximum', 'exclusiveMinimum', 'format', 'maximum', 'minimum', 'multipleOf']

/** Keywords that demand something of values of one type only, without those that hold what is in an object or a list. */
export const KEYWORDS_OF_TYPE: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['string', new Set(['contentEncoding', 'contentMediaType', 'format', 'maxLength', 'minLength', 'pattern'])],
  ['number', new Set(NUMBER_KEYWORDS)],
  ['integer', new Set(NUMBER_KEYWORDS)],
  [
    'array',
    new Set(['contains', 'maxContains', 'maxItems', 'minContains', 'minItems', 'unevaluatedItems', 'uniqueItems']),
  ],
  [
    'object',
    new Set([
      'dependencies',
      'dependentRequired',
      'dependentSchemas',
      'maxProperties',
      'minProperties',
      'patternProperties',
      'propertyNames',
      'unevaluatedProperties',
    ]),
  ],
])
export const OBJECT_KEYWORDS: readonly string[] = ['additionalProperties', 'properties', 'required']
export const ARRAY_KEYWORDS: readonly string[] = ['items', 'prefixItems']

export const TYPED_KEYWORDS: ReadonlySet<string> = new Set([
  ...[...KEYWORDS_OF_TYPE.values()].flatMap((names) => Array.from(names)),
  ...OBJECT_KEYWORDS,
  ...ARRAY_KEYWORDS,
])
