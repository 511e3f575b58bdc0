/** Programs lead a process group of their own, so that what they have started ends with them; Windows has no such groups. */
export const HAS_GROUPS = process.platform !== 'win32'

/** Sends a signal to a program and to what it has started. False if none of them is there any more. */
export function signalProgram(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(HAS_GROUPS ? -pid : pid, signal)
  } catch {
    return false
  }
}
