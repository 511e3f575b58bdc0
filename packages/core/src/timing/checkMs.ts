/**
 * Refuses what is no time span: `NaN` would end a wait at once, and nobody would see why.
 *
 * @param name - Of the option, for the message.
 * @param value - Milliseconds.
 * @throws {TypeError} when the value is not a finite number of 0 or more.
 * @example
 * checkMs('toolTimeoutMs', 60_000)
 */
export function checkMs(name: string, value: number): void {
  if (!Number.isFinite(value) || value < 0)
    throw new TypeError(`\`${name}\` must be a number of milliseconds, 0 or more`)
}
