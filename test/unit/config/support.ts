import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SourceConfig } from '../../../src/config/config.ts'
import { ConfigError, type ConfigProblem } from '../../../src/config/problems.ts'
import { loadConfig, type LoadedConfig } from '../../../src/config/load.ts'

/** What is asked for where nobody says anything about consent. */
export const CONSENT_DEFAULTS: SourceConfig['consent'] = {
  policy: {
    require: 'none',
    deadlineMs: 20_000,
    onMissing: 'flag',
    onRefused: 'stop',
    onWithdrawn: 'stop',
    holdUntilConsent: false,
    heardShareMin: 1,
    mixedAnnouncement: 'ignored',
    apiAnswers: false,
  },
  jurisdiction: undefined,
  country: undefined,
  own: [],
  listening: undefined,
}

/** What a source has that only says how it is recognised. */
export const SOURCE_DEFAULTS: Omit<SourceConfig, 'name'> = {
  address: [],
  tlsName: [],
  users: [],
  digestAlgorithms: ['SHA-512-256', 'SHA-256', 'MD5'],
  tenant: 'default',
  dialect: 'auto',
  forceSiprec: false,
  tellPause: false,
  dtmf: 'inherit',
  rtpSource: 'latch',
  policy: 'record',
  consent: CONSENT_DEFAULTS,
}

/** Loads `yaml` as `test.yaml`, with these variables and none of the process's own. */
export function load(yaml: string | undefined, env: Record<string, string> = {}): LoadedConfig {
  const cwd = mkdtempSync(join(tmpdir(), 'earwitness-config-'))
  try {
    if (yaml !== undefined) writeFileSync(join(cwd, 'test.yaml'), yaml)
    return loadConfig({ file: yaml === undefined ? undefined : 'test.yaml', env, cwd })
  } finally {
    rmSync(cwd, { recursive: true })
  }
}

/** What {@link load} complains about; empty when it does not. */
export function problemsOf(yaml: string | undefined, env: Record<string, string> = {}): readonly ConfigProblem[] {
  try {
    load(yaml, env)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
}

/** `code where` of every problem. */
export function briefly(problems: readonly ConfigProblem[]): readonly string[] {
  return problems.map((problem) => `${problem.code} ${problem.where ?? '-'}`)
}
