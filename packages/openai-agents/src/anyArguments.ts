/** The schema of a tool whose arguments somebody else checks. */
export const ANY_ARGUMENTS = {
  type: 'object' as const,
  properties: {},
  required: [],
  additionalProperties: true as const,
}
