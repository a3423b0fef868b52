import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'

import { STREAM_FLAGS } from '../../src/recorder/stream-watch.ts'
import { createMetrics, createRegistry } from '../../src/server/telemetry/metrics.ts'

const FOLDER = join(import.meta.dirname, '..', '..', 'config', 'prometheus')
const run = promisify(execFile)
const text = (name: string): string => readFileSync(join(FOLDER, name), 'utf8')

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly labels: { readonly severity: string }
}
interface AlertTest {
  readonly alertname: string
  readonly exp_alerts?: readonly unknown[]
}

const { groups } = parse(text('earwitness.rules.yaml')) as { groups: readonly { readonly rules: readonly Rule[] }[] }
const rules = groups.flatMap((group) => group.rules)
const { tests } = parse(text('earwitness.rules.test.yaml')) as {
  tests: readonly { readonly alert_rule_test: readonly AlertTest[] }[]
}
const alertTests = tests.flatMap((one) => one.alert_rule_test)

describe('the alerts that come with the recorder', () => {
  test('promtool takes the rules, and each fires when it should and not when it should not', async () => {
    await run('promtool', ['check', 'rules', 'earwitness.rules.yaml'], { cwd: FOLDER })
    const { stdout } = await run('promtool', ['test', 'rules', 'earwitness.rules.test.yaml'], { cwd: FOLDER })
    expect(stdout).toContain('SUCCESS')
  })

  test.each(rules.map((rule) => [rule.alert, rule] as const))(
    '%s is shown firing and quiet, and explained',
    (alert, rule) => {
      const own = alertTests.filter(({ alertname }) => alertname === alert)
      expect(own.some(({ exp_alerts: expected }) => (expected?.length ?? 0) > 0)).toBe(true)
      expect(own.some(({ exp_alerts: expected }) => (expected?.length ?? 0) === 0)).toBe(true)
      expect(['page', 'ticket']).toContain(rule.labels.severity)
      expect(text('README.md')).toContain(`| \`${alert}\` | ${rule.labels.severity} |`)
    },
  )

  test('no rule asks for a metric or a flag that the recorder does not have', async () => {
    const registry = createRegistry()
    createMetrics(registry, { sources: [], version: 'test' })
    const names = new Set((await registry.getMetricsAsJSON()).map(({ name }) => name))
    const asked = rules.flatMap(({ expr }) => expr.match(/\bearwitness_\w+/g) ?? []).map(withoutSuffix)
    expect(asked.length).toBeGreaterThan(rules.length)
    expect(asked.filter((name) => !names.has(name))).toEqual([])
    const flags = rules.flatMap(({ expr }) =>
      [...expr.matchAll(/flag=~"([^"]+)"/g)].flatMap(([, list = '']) => list.split('|')),
    )
    expect(flags.length).toBeGreaterThan(0)
    expect(flags.filter((flag) => !(STREAM_FLAGS as readonly string[]).includes(flag))).toEqual([])
  })
})

/** `_count`, `_sum` and `_bucket` are the series of a histogram. */
function withoutSuffix(name: string): string {
  return name.replace(/_(?:count|sum|bucket)$/u, '')
}
