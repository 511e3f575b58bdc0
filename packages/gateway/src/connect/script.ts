/**
 * The page's own script: an open page looks every two seconds whether the account was connected elsewhere, and shows
 * it. Everything works without it.
 */
export const SCRIPT = `
(() => {
  const state = document.documentElement.dataset.state
  if (state !== 'open') return
  const path = location.pathname
  let timer
  const look = async () => {
    clearTimeout(timer)
    try {
      const answer = await fetch(path + '/status', { cache: 'no-store' })
      if (answer.ok && (await answer.json()).state !== state) return location.replace(path)
    } catch {}
    timer = setTimeout(look, 2000)
  }
  document.addEventListener('visibilitychange', () => { if (!document.hidden) look() })
  timer = setTimeout(look, 2000)
})()
`
