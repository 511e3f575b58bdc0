import type { GuardedFetch, GuardedFetchInit } from '../../services.ts'
import type { Programs } from './programs.ts'

/** The way out to servers, and to the programs of connections that have one. */
export function withPrograms(fetch: GuardedFetch, programs: Pick<Programs, 'send'>): GuardedFetch {
  const send: GuardedFetch['send'] = async (input, init = {}) => {
    const { program, partition } = init
    if (program === undefined) return await fetch.send(input, init)
    if (partition === undefined) throw new TypeError('a program is asked for nobody')
    return await programs.send({ ...init, program, partition })
  }
  return Object.assign(async (input: string | URL, init?: GuardedFetchInit) => await fetch(input, init), { send })
}
