/** Repeats a task that may fail: the next time is soon enough. Keeps no process alive. Gives what ends it. */
export function every(milliseconds: number, task: () => Promise<void>): () => void {
  const timer = setInterval(() => void task().catch(() => {}), milliseconds)
  timer.unref()
  return () => clearInterval(timer)
}
