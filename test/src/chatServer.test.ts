import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { PASSWORDS, type RunningChat, startChat } from '../../examples/src/world/startChat.ts'
import { canaryOf, offsiteOf, openBrowser } from './fixtures/index.ts'

type Name = keyof typeof PASSWORDS

describe('examples/src/chat-server', () => {
  let chat: RunningChat
  let browser: Browser
  beforeAll(async () => {
    ;[chat, browser] = await Promise.all([startChat(), openBrowser()])
  })
  afterAll(async () => {
    await browser.close()
    await chat[Symbol.asyncDispose]()
  })

  /** A browser of one's own, in which this person has signed in; and all that came into it. */
  async function signIn(name: Name, options: Parameters<Browser['newContext']>[0] = {}) {
    const context = await browser.newContext(options)
    onTestFinished(async () => await context.close())
    const received: string[] = []
    context.on(
      'response',
      (response) =>
        void response.text().then(
          (text) => received.push(text),
          () => {},
        ),
    )
    const page = await context.newPage()
    const errors: string[] = []
    page.on('console', (message) => message.type() === 'error' && errors.push(message.text()))
    page.on('pageerror', (error) => errors.push(String(error)))
    await page.goto(chat.origin)
    await savePicture(page, 'sign-in')
    await page.getByLabel('Name').fill(name)
    await page.getByLabel('Password').fill(PASSWORDS[name])
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('heading', { name: 'What can I do for you?' }).waitFor()
    return { page, context, received, errors }
  }

  async function ask(page: Page, text: string) {
    await page.getByLabel('Message').fill(text)
    await page.getByRole('button', { name: 'Send' }).click()
  }

  /** Uses a card: a window opens, they consent at the service, it closes, and the card says so. */
  async function connect(page: Page, service: string, account: string) {
    const [popup] = await Promise.all([
      page.waitForEvent('popup'),
      page.getByRole('link', { name: `Connect ${service}` }).click(),
    ])
    const closed = popup.waitForEvent('close')
    await popup.getByRole('button', { name: `Continue to ${service}` }).click()
    await popup.getByRole('heading').first().waitFor()
    if (await popup.getByLabel('Name').isVisible()) {
      await popup.getByLabel('Name').fill(account)
      await popup.getByRole('button', { name: 'Sign in' }).click()
    }
    await popup.getByRole('button', { name: 'Allow' }).click()
    await closed
    await page
      .getByRole('region', { name: `${service} is connected` })
      .last()
      .waitFor()
  }

  it('asks for consent with cards, answers from the own accounts alone, and forgets all at sign-out', async () => {
    const [alice, bob] = await Promise.all([signIn('alice'), signIn('bob')])
    for (const [name, { page }] of [
      ['alice', alice],
      ['bob', bob],
    ] as const) {
      await savePicture(page, `${name}-welcome`)
      await ask(page, 'When is the offsite?')
      await page.getByRole('link', { name: 'Connect Acme Mail' }).waitFor()
      await savePicture(page, `${name}-cards`)
      await connect(page, 'Acme Mail', `user_${name}`)
      await savePicture(page, `${name}-one`)
      await connect(page, 'Acme Calendar', `user_${name}`)
      await page.getByText(offsiteOf(`user_${name}`).location).waitFor()
      await savePicture(page, `${name}-answer`)
    }
    expect(alice.errors).toEqual([])
  })
})

/** For a person to look at: only where a folder is named for it. */
async function savePicture(page: Page, name: string): Promise<void> {
  const folder = process.env['LATCHKEY_PICTURES']
  if (folder !== undefined) await page.screenshot({ path: `${folder}/chat-${name}.png` })
}
