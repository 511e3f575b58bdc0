/** What must not be printed, unless the person at the keyboard asked for it. */
export interface Secrets {
  /** Takes note of a secret and gives it back, for use. */
  keep(name: string, value: string): string
  /** Takes note of a secret, and gives the form in which it may be shown. */
  show(name: string, value: string): string
  /** By name. */
  readonly all: Readonly<Record<string, string>>
  readonly areShown: boolean
}

export function createSecrets(areShown: boolean): Secrets {
  const all: Record<string, string> = {}

  function keep(name: string, value: string): string {
    if (!Object.values(all).includes(value)) all[`${name} #${Object.keys(all).length + 1}`] = value
    return value
  }

  return {
    all,
    areShown,
    keep,
    show: (name, value) => (areShown ? keep(name, value) : redact(keep(name, value))),
  }
}

/** Keeps where a URL leads and drops its last segment, which is the secret part. */
function redact(value: string): string {
  if (!URL.canParse(value)) return '[redacted]'
  const { origin, pathname } = new URL(value)
  return `${origin}${pathname.slice(0, pathname.lastIndexOf('/') + 1)}[redacted]`
}
