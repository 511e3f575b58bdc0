// The chat in the browser: sends what the user says, and shows the AI SDK's UI message stream as it comes.
// https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol

const messages = document.querySelector('#messages')
const composer = document.querySelector('#composer')
const field = composer.elements.text
const scroller = document.querySelector('main')

const SERVICES = { mail: 'Acme Mail', calendar: 'Acme Calendar' }

// What the callback's page tells when an account is connected.
new BroadcastChannel('latchkey').addEventListener('message', ({ data }) => {
  if (data?.type !== 'latchkey.connected') return
  for (const card of messages.querySelectorAll('.card')) {
    if (card.dataset.connection === data.connection)
      showCard(card, { connectionName: data.connection, status: 'connected' })
  }
  void goOn()
})

composer.addEventListener('submit', (event) => {
  event.preventDefault()
  void ask(field.value.trim())
})
field.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
  event.preventDefault()
  composer.requestSubmit()
})
for (const suggestion of document.querySelectorAll('.suggestions button')) {
  suggestion.addEventListener('click', () => void ask(suggestion.textContent))
}

await showHistory()

async function showHistory() {
  const response = await fetch('/chat')
  if (response.status === 401) return location.assign('/sign-in')
  const chat = await response.json()
  document.querySelector('#name').textContent = chat.name
  for (const { role, parts } of chat.messages) {
    const item = addMessage(role)
    parts.forEach((part, index) => showPart(item, part, index))
  }
  // The user may have connected an account while the page was closed.
  if (chat.isWaiting) await goOn()
}

let isBusy = false

async function ask(text) {
  if (isBusy || text === '') return
  field.value = ''
  // A card that was not used comes again where it is needed.
  for (const card of messages.querySelectorAll('.card[data-status=required]')) card.remove()
  addMessage('user').textContent = text
  await show('/chat', addMessage('assistant'), JSON.stringify({ text }))
}

let wantsToGoOn = false

async function goOn() {
  wantsToGoOn = true
  if (isBusy) return
  wantsToGoOn = false
  const last = messages.querySelector('.assistant:last-child')
  if (last?.querySelector('.card')) await show('/chat/continue', last)
}

/** Sends, and shows the answer in this message. */
async function show(path, item, body) {
  setBusy(true)
  item.classList.add('thinking')
  item.querySelector('.notice')?.remove()
  try {
    const response = await fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    if (response.status === 401) return location.assign('/sign-in')
    // Another window of the same chat goes on already.
    if (response.status === 409 && path === '/chat/continue') return
    if (!response.ok) return showError(item, await response.text())
    for await (const chunk of chunksOf(response)) showChunk(item, chunk)
  } catch {
    showError(item, 'The connection was lost. Please try again.')
  } finally {
    item.classList.remove('thinking')
    setBusy(false)
    if (wantsToGoOn) void goOn()
  }
}

function setBusy(busy) {
  isBusy = busy
  messages.setAttribute('aria-busy', String(busy))
  composer.querySelector('button').disabled = busy
}

/** The stream is of server-sent events, each with a chunk in JSON. */
async function* chunksOf(response) {
  let text = ''
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    text += next.value
    const events = text.split('\n\n')
    text = events.pop()
    for (const event of events) {
      if (event.startsWith('data: {')) yield JSON.parse(event.slice('data: '.length))
    }
  }
}

/** A part of a message that was kept. */
function showPart(item, part, index) {
  if (part.type === 'text') element(item, `text-${index}`, 'p').textContent = part.text
  else if (part.type === 'dynamic-tool') showTool(item, part, stateOf(part.state))
  else if (part.type === 'data-latchkey-authorization') showCard(cardOf(item, part.id), part.data)
}

function stateOf(state) {
  return { 'output-available': 'done', 'output-error': 'failed' }[state] ?? 'running'
}

/** A piece of a message that is under way. */
function showChunk(item, chunk) {
  switch (chunk.type) {
    case 'text-start':
      // Ids may come again in another step.
      find(item, `text-${chunk.id}`)?.removeAttribute('data-key')
      break
    case 'text-delta':
      element(item, `text-${chunk.id}`, 'p').textContent += chunk.delta
      break
    case 'tool-input-available':
      showTool(item, chunk, 'running')
      break
    case 'tool-output-available':
      showTool(item, chunk, 'done')
      break
    case 'tool-output-error':
      showTool(item, chunk, 'failed')
      break
    case 'data-latchkey-authorization':
      showCard(cardOf(item, chunk.id), chunk.data)
      break
    case 'error':
      showError(item, chunk.errorText)
      break
  }
  scroller.scrollTo({ top: scroller.scrollHeight })
}

/** The element of this message with this key; a new one at its end if there is none. */
function element(item, key, name) {
  const found = find(item, key)
  if (found) return found
  const made = document.createElement(name)
  made.dataset.key = key
  item.append(made)
  return made
}

function find(item, key) {
  return [...item.children].find((child) => child.dataset.key === key)
}

function addMessage(role) {
  document.querySelector('#welcome').hidden = true
  const item = document.createElement('li')
  item.className = role
  messages.append(item)
  scroller.scrollTo({ top: scroller.scrollHeight })
  return item
}

function showTool(item, { toolCallId, toolMetadata, toolName }, state) {
  const line = element(item, toolCallId, 'p')
  line.className = 'tool'
  line.dataset.state = state
  const title = toolMetadata?.title ?? toolName
  if (title) line.textContent = title
}

function showError(item, text) {
  const notice = element(item, 'error', 'p')
  notice.className = 'notice'
  notice.setAttribute('role', 'alert')
  notice.textContent = text
}

function cardOf(item, id) {
  return element(item, id, 'section')
}

/** The "Connect" card: asks for one account until it is connected. */
function showCard(card, { connectionName, status, authenticationLink }) {
  const service = SERVICES[connectionName] ?? connectionName
  const isConnected = status === 'connected'
  card.className = 'card'
  card.dataset.connection = connectionName
  card.dataset.status = status
  card.setAttribute('aria-label', isConnected ? `${service} is connected` : `Connect ${service}`)
  const badge = Object.assign(document.createElement('span'), { className: 'badge', ariaHidden: 'true' })
  badge.textContent = isConnected ? '✓' : service.replace('Acme ', '').slice(0, 1)
  const words = Object.assign(document.createElement('div'), { className: 'words' })
  words.append(
    Object.assign(document.createElement('strong'), { textContent: isConnected ? `${service} is connected` : service }),
  )
  if (!isConnected) {
    const why = `To go on I need access. You sign in at ${service} itself.`
    words.append(Object.assign(document.createElement('p'), { className: 'quiet', textContent: why }))
  }
  card.replaceChildren(badge, words, ...(isConnected ? [] : [connectLink(service, authenticationLink)]))
}

/** In a small window where that is allowed, else in a tab. */
function connectLink(service, href) {
  const link = Object.assign(document.createElement('a'), { className: 'button primary', target: '_blank' })
  link.textContent = 'Connect'
  link.ariaLabel = `Connect ${service}`
  if (/^https?:/.test(href)) link.href = href
  link.addEventListener('click', (event) => {
    if (open(link.href, 'latchkey', 'popup,width=520,height=720')) event.preventDefault()
  })
  return link
}
