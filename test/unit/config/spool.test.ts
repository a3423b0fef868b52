import { describe, expect, it } from 'vitest'

import { load, problemsOf } from './support.ts'

const S3 = 'storage: {kind: s3, s3: {bucket: recordings, requestTimeout: 5m}}'

describe('spool', () => {
  it('has bounds as numbers', () => {
    expect(load('spool: {maxBytes: 2GiB, maxAge: 2h, minFree: 0B}').config.spool).toEqual({
      bytesMax: 2 * 1024 ** 3,
      ageMsMax: 7_200_000,
      freeBytesMin: 0,
    })
  })

  it.each([
    // 500 sessions, (15 + 45) s, 6,000 bytes a second: 172 MiB
    ['spool: {maxBytes: 171MiB}', 'spool.maxBytes'],
    ['{spool: {maxBytes: 1GiB}, limits: {recordingSessionsMax: 10000}}', 'spool.maxBytes'],
    ['{spool: {maxBytes: 1GiB}, recording: {chunkSeconds: 300, opusBitrate: 64000}}', 'spool.maxBytes'],
    [`spool: {maxAge: 15m}\n${S3}`, 'spool.maxAge'],
  ])('%s would refuse recording sessions for no fault', (yaml, path) => {
    const problems = problemsOf(yaml)
    expect(problems).toMatchObject([{ code: 'config-conflict' }])
    expect(problems[0]?.sentence).toContain(path)
    expect(problems[0]?.hint).toMatch(/\S/u)
  })

  it.each([
    'spool: {maxBytes: 172MiB}',
    '{spool: {maxBytes: 64MiB}, limits: {recordingSessionsMax: 100}}',
    'limits: {recordingSessionsMax: 100000}',
    `spool: {maxAge: 16m}\n${S3}`,
    'spool: {maxAge: 1m}',
  ])('%s is taken', (yaml) => {
    expect(problemsOf(yaml)).toEqual([])
  })

  it('says nothing of keys that are wrong already', () => {
    expect(problemsOf('spool: {maxBytes: 1KiB}')).toHaveLength(1)
  })
})
