/** The addresses in `BENCH_LIST_URLS`, one after the other; none where it is not set. */
export function listUrlsOf({ BENCH_LIST_URLS: urls = '' }: NodeJS.ProcessEnv): readonly string[] {
  return urls === '' ? [] : urls.split(' ')
}
