import type { Complaint } from './check-value.ts'

/** What S3 allows in names of buckets, and older servers besides: capitals and underscores. */
const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/u
/** As object keys are (`object-store.ts`), and short enough to leave room for them. */
const PREFIX = /^(?:[A-Za-z0-9][A-Za-z0-9._-]{0,63}\/){1,8}$/u

export function checkBucket(value: string): Complaint | undefined {
  if (BUCKET.test(value)) return undefined
  return {
    sentence: `wants the name of a bucket, not ${JSON.stringify(value.slice(0, 60))}`,
    hint: '3 to 63 letters, digits, dots and hyphens, as in recordings-eu; a path in it goes into storage.s3.prefix.',
  }
}

export function checkObjectPrefix(value: string): Complaint | undefined {
  if (value === '' || PREFIX.test(value)) return undefined
  return {
    sentence: `wants a prefix, not ${JSON.stringify(value.slice(0, 60))}`,
    hint: 'Up to eight names of letters, digits, dots, hyphens and underscores, each followed by a slash: recorders/north/.',
  }
}

/** Without user, query and fragment: secrets have keys of their own. The URL itself may hold one, so it is not shown. */
export function checkHttpUrl(value: string): Complaint | undefined {
  const url = URL.canParse(value) ? new URL(value) : undefined
  const isPlain = url?.username === '' && url.password === '' && url.search === '' && url.hash === ''
  if (isPlain && ['http:', 'https:'].includes(url.protocol)) return undefined
  return {
    sentence: 'wants a URL of http or https, and nothing else in it',
    hint: 'Write https://s3.example.com:9000.',
  }
}
