import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import { effectiveValues } from '../../../src/cli/check-config.ts'
import { load, problemsOf } from './support.ts'

const s3 = (more = ''): string => `storage: {kind: s3, s3: {bucket: recordings${more}}}`

describe('storage.s3', () => {
  it('has defaults for all but the bucket', () => {
    expect(load(s3()).config.storage.s3).toEqual({
      ...{ endpoint: undefined, region: 'us-east-1', bucket: 'recordings', prefix: '', pathStyle: true },
      ...{ credentials: undefined, caFile: undefined, encryption: 'none', kmsKeyId: undefined, objectLock: undefined },
      ...{ requestTimeoutMs: 10_000, uploadsMax: 32, bytesPerSecondMax: 0 },
    })
  })

  it('is left alone when the kind is folder: its secrets are not even read', () => {
    expect(load('storage: {s3: {accessKeyId: "file:/not/there"}}').config.storage.s3).toBeUndefined()
  })

  it('takes credentials from files and variables, and never shows them', () => {
    const folder = mkdtempSync(join(tmpdir(), 'earwitness-secret-'))
    try {
      writeFileSync(join(folder, 'secret'), 'from-a-file\n')
      const keys = `, accessKeyId: "env:KEY_ID", secretAccessKey: "file:${join(folder, 'secret')}", sessionToken: in-clear`
      const loaded = load(s3(keys), { KEY_ID: 'from-a-variable' })
      expect(loaded.config.storage.s3?.credentials).toEqual({
        accessKeyId: 'from-a-variable',
        secretAccessKey: 'from-a-file',
        sessionToken: 'in-clear',
      })
      const shown = JSON.stringify(effectiveValues(loaded))
      expect(shown).not.toMatch(/from-a-file|from-a-variable|in-clear/u)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('has lock, limits and encryption as numbers and words', () => {
    const keys =
      ', objectLock: {mode: compliance, days: 400}, bandwidth: 2MiB, requestTimeout: 3s, encryption: kms, kmsKeyId: k'
    expect(load(s3(keys)).config.storage.s3).toMatchObject({
      objectLock: { mode: 'compliance', days: 400 },
      ...{ bytesPerSecondMax: 2 * 1024 * 1024, requestTimeoutMs: 3_000, encryption: 'kms', kmsKeyId: 'k' },
    })
  })

  it.each([
    ['storage: {kind: s3}', 'config-conflict', 'bucket'],
    [s3(', accessKeyId: a'), 'config-conflict', 'accessKeyId'],
    [s3(', secretAccessKey: a'), 'config-conflict', 'secretAccessKey'],
    [s3(', sessionToken: a'), 'config-conflict', 'sessionToken'],
    [s3(', kmsKeyId: a'), 'config-conflict', 'kmsKeyId'],
    ['storage: {kind: s3, s3: {bucket: "a/b"}}', 'config-invalid-value', 'bucket'],
    [s3(', prefix: "no-slash"'), 'config-invalid-value', 'prefix'],
    [s3(', prefix: "../"'), 'config-invalid-value', 'prefix'],
    [s3(', endpoint: "ftp://example.com"'), 'config-invalid-value', 'endpoint'],
    [s3(', endpoint: "https://user:secret@example.com"'), 'config-invalid-value', 'endpoint'],
    [s3(', objectLock: {mode: forever}'), 'config-invalid-value', 'objectLock.mode'],
    [s3(', objectLock: {days: 0}'), 'config-invalid-value', 'objectLock.days'],
  ])('refuses %s', (yaml, code, key) => {
    const problems = problemsOf(yaml)
    expect(problems.map((problem) => problem.code)).toEqual([code])
    expect(problems[0]?.sentence).toContain(`storage.s3.${key} `)
    expect(problems[0]?.where).toMatch(/^test.yaml:1:/u)
    expect(JSON.stringify(problems)).not.toContain('user:secret')
  })

  it('takes a prefix of several names', () => {
    expect(load(s3(', prefix: recorders/north/')).config.storage.s3?.prefix).toBe('recorders/north/')
  })
})

describe('storage.replica', () => {
  const replica = (keys: string): string => `storage: {folder: {path: /one}, replica: {${keys}}}`

  it('is none by default', () => {
    expect(load('').config.storage.replica).toBeUndefined()
  })

  it('is a folder, or a bucket with keys of its own', () => {
    expect(load(replica('kind: folder, folder: {path: /two}')).config.storage.replica).toEqual({
      ...{ durable: 'primary', folder: { path: '/two' }, s3: undefined },
    })
    const bucket = replica(
      'kind: s3, durable: both, s3: {bucket: second, prefix: x/, accessKeyId: a, secretAccessKey: "env:S"}',
    )
    const { durable, s3: second } = load(bucket, { S: 'from-a-variable' }).config.storage.replica ?? {}
    expect(durable).toBe('both')
    expect(second).toMatchObject({ bucket: 'second', prefix: 'x/', uploadsMax: 16, requestTimeoutMs: 10_000 })
    expect(second?.credentials).toEqual({
      accessKeyId: 'a',
      secretAccessKey: 'from-a-variable',
      sessionToken: undefined,
    })
  })

  it.each([
    [replica('kind: folder'), 'storage.replica.folder.path '],
    [replica('kind: s3'), 'storage.replica.s3.bucket '],
    [replica('kind: s3, s3: {bucket: second, accessKeyId: a}'), 'storage.replica.s3.accessKeyId '],
    [replica('kind: folder, folder: {path: /one}'), 'storage.replica '],
    ['storage: {kind: s3, s3: {bucket: one}, replica: {kind: s3, s3: {bucket: one}}}', 'storage.replica '],
    ['{dataDir: /data, storage: {replica: {kind: folder, folder: {path: /data/recordings}}}}', 'storage.replica '],
  ])('refuses %s', (yaml, named) => {
    const problems = problemsOf(yaml)
    expect(problems.map(({ code }) => code)).toEqual(['config-conflict'])
    expect(problems[0]?.sentence).toContain(named)
  })
})
