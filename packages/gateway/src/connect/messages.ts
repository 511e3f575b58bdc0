import type { Connection } from '../domain.ts'
import type { Message } from './messagePage.ts'

/** A page and the HTTP status that goes with it. */
export interface Answer {
  readonly status: 200 | 400 | 403 | 404 | 409 | 410 | 413 | 429 | 500 | 503
  readonly message: Message
}

const NEXT = 'Go back to the app and ask for a new link.'

export function connectedMessage(appName: string, { displayName }: Connection): Answer {
  const text = `${appName} can use your ${displayName} account now. You can close this window.`
  return {
    status: 200,
    message: {
      tone: 'good',
      title: `${displayName} is connected`,
      text,
      state: 'connected',
      between: { appName, serviceName: displayName },
    },
  }
}

export const UNKNOWN_LINK: Answer = {
  status: 404,
  message: { tone: 'bad', title: 'This link is not valid', text: `It may be incomplete. ${NEXT}` },
}

export const USED_LINK: Answer = {
  status: 410,
  message: { tone: 'warn', title: 'This link was already used', text: NEXT, state: 'expired' },
}

export const EXPIRED_LINK: Answer = {
  status: 410,
  message: { tone: 'warn', title: 'This link has expired', text: `Nothing was connected. ${NEXT}`, state: 'expired' },
}

export const FOREIGN_FORM: Answer = {
  status: 403,
  message: {
    tone: 'bad',
    title: 'This form could not be accepted',
    text: 'It did not come from our own page in this browser. Allow cookies for this site, open the link again, and retry.',
  },
}

export const FORM_TOO_LARGE: Answer = {
  status: 413,
  message: { tone: 'bad', title: 'That was too long', text: 'Go back and enter the key only.' },
}

export const FAILED: Answer = {
  status: 500,
  message: {
    tone: 'bad',
    title: 'Something went wrong',
    text: 'Nothing was connected. Open the link again in a moment.',
  },
}

export const TOO_MANY: Answer = {
  status: 429,
  message: {
    tone: 'warn',
    title: 'That was too often',
    text: 'Nothing was done. Wait a minute, then open the link again.',
  },
}

export const UNAVAILABLE: Answer = {
  status: 503,
  message: {
    tone: 'warn',
    title: 'Not possible at the moment',
    text: 'Open the link again in a minute.',
  },
}

/** How it ended, where the link may not be shown: by the last part of the page's path. */
export const CALLBACK_PROBLEMS: ReadonlyMap<string, Answer> = new Map<string, Answer>([
  [
    'connected',
    {
      status: 200,
      message: { tone: 'good', title: 'Your account is connected', text: 'You can close this window.' },
    },
  ],
  [
    'unknown',
    {
      status: 400,
      message: {
        tone: 'bad',
        title: 'This sign-in is not known',
        text: 'Open the link from the app again and start anew.',
      },
    },
  ],
  [
    'other-browser',
    {
      status: 403,
      message: {
        tone: 'bad',
        title: 'This sign-in began in another browser',
        text: 'For your safety it ends only where it began. Open the link from the app in this browser and start anew.',
      },
    },
  ],
  [
    'expired',
    {
      status: 410,
      message: {
        tone: 'warn',
        title: 'This sign-in took too long',
        text: 'Open the link from the app again and start anew.',
      },
    },
  ],
  [
    'used',
    {
      status: 409,
      message: {
        tone: 'warn',
        title: 'This sign-in is already finished',
        text: 'If the account is not connected, open the link from the app again.',
      },
    },
  ],
])
