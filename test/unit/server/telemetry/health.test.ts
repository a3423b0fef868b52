import { describe, expect, test } from 'vitest'

import { Health } from '../../../../src/server/telemetry/health.ts'

const passing = () => ({ ok: true }) as const
const failing = () => ({ ok: false, sentence: 'The disk is full.' }) as const

describe('health', () => {
  test('without checks, or with all of them passing, is ready', () => {
    const health = new Health()
    expect(health.verdict()).toEqual({ ready: true, state: 'ready', checks: [] })
    health.register({ name: 'storage', weight: 'required', check: passing })
    expect(health.verdict()).toMatchObject({ ready: true, state: 'ready' })
  })

  test('is not ready when something required fails, and says what', () => {
    const health = new Health()
    health.register({ name: 'storage', weight: 'required', check: failing })
    expect(health.verdict()).toEqual({
      ready: false,
      state: 'degraded',
      checks: [{ name: 'storage', weight: 'required', ok: false, sentence: 'The disk is full.' }],
    })
  })

  test('stays ready, but degraded, when recording can go on without what fails', () => {
    const health = new Health()
    health.register({ name: 'database', weight: 'degrading', check: failing })
    expect(health.verdict()).toMatchObject({ ready: true, state: 'degraded' })
  })

  test('is never ready again once it drains', () => {
    const health = new Health()
    health.register({ name: 'storage', weight: 'required', check: passing })
    health.drain()
    expect(health.verdict()).toMatchObject({ ready: false, state: 'draining' })
    expect(health.draining).toBe(true)
  })

  test('counts a check that throws as failed', () => {
    const health = new Health()
    const check = () => {
      throw new Error('bug')
    }
    health.register({ name: 'storage', weight: 'required', check })
    expect(health.verdict().checks[0]).toMatchObject({ ok: false, sentence: 'The check itself failed.' })
  })

  test('replaces a check of the same name', () => {
    const health = new Health()
    health.register({ name: 'storage', weight: 'required', check: failing })
    health.register({ name: 'storage', weight: 'required', check: passing })
    expect(health.verdict()).toMatchObject({ ready: true, checks: [{ name: 'storage', ok: true }] })
  })
})
