/** How much to measure: the default, or what an environment variable says, for a look whether all of it runs. */
export function sizeOf(variable: string, otherwise: number): number {
  const size = Number(process.env[variable] ?? otherwise)
  if (!Number.isInteger(size) || size < 1) throw new TypeError(`${variable} must be a whole number of 1 or more.`)
  return size
}
