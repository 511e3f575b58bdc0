/** Refuses what is no time span: `NaN` would end a wait at once, and nobody would see why. */
export function checkMs(name: string, value: number): void {
  if (!Number.isFinite(value) || value < 0)
    throw new TypeError(`\`${name}\` must be a number of milliseconds, 0 or more`)
}
