/**
 * Whose run it is, where one agent serves all users: `userId` of the context that the run was given. For whoever writes an
 * adapter.
 *
 * @throws {TypeError} when the context does not say it.
 */
export function userIdOf(context: unknown): string {
  const userId: unknown = typeof context === 'object' && context !== null ? Reflect.get(context, 'userId') : undefined
  if (typeof userId === 'string') return userId
  throw new TypeError('the run does not say whose it is: give `context: { userId }`, or the option `userIdentifier`')
}
