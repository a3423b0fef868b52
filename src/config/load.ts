import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Config } from './config.ts'
import { crossCheck } from './cross-checks.ts'
import { Draft } from './draft.ts'
import { normalise } from './normalise.ts'
import { type ConfigProblem, Problems } from './problems.ts'
import { readEnvironment, type Environment } from './read-environment.ts'
import { readConfigFile } from './read-file.ts'
import type { RawConfig } from './schema.ts'

/** Read when neither `--config` nor EARWITNESS_CONFIG names a file, and only when it exists. */
export const DEFAULT_CONFIG_FILE = 'config/earwitness.yaml'

export interface LoadedConfig {
  readonly config: Config
  /**
   * The same as the file would say it, with every default filled in. May hold secrets: see `isSecret` in `leaves.ts`.
   */
  readonly raw: RawConfig
  /**
   * By path (`rtp.portMin`, `sources[0].name`, or `sources` for an empty list): `default`, `FILE:LINE:COLUMN` or `env
   * NAME`.
   */
  readonly origins: ReadonlyMap<string, string>
  /** The file that was read, as it was named. */
  readonly file: string | undefined
  /** What works and is unwise. */
  readonly warnings: readonly ConfigProblem[]
}

/**
 * Reads the configuration: defaults, then the file, then variables `EARWITNESS_…`.
 *
 * @throws ConfigError with everything that is wrong, each with its place
 */
export function loadConfig(options: {
  readonly file?: string | undefined
  readonly env: Environment
  readonly cwd: string
}): LoadedConfig {
  const { env, cwd } = options
  const problems = new Problems()
  const draft = new Draft()
  const file = chooseFile(options)
  if (file !== undefined) readConfigFile({ name: file, path: resolve(cwd, file), draft, problems })
  readEnvironment(env, draft, problems)
  const raw = draft.assemble()
  const config = normaliseChecked(raw, { env, cwd, draft, problems })
  problems.throwIfAny()
  return { config, raw, origins: draft.origins, file, warnings: problems.warnings }
}

function chooseFile(options: {
  readonly file?: string | undefined
  readonly env: Environment
  readonly cwd: string
}): string | undefined {
  if (options.file !== undefined) return options.file
  const named = options.env['EARWITNESS_CONFIG']
  if (named !== undefined && named !== '') return named
  return existsSync(resolve(options.cwd, DEFAULT_CONFIG_FILE)) ? DEFAULT_CONFIG_FILE : undefined
}

function normaliseChecked(
  raw: RawConfig,
  context: { readonly env: Environment; readonly cwd: string; readonly draft: Draft; readonly problems: Problems },
): Config {
  const { env, cwd, draft, problems } = context
  const config = normalise(raw, { env, cwd, origins: draft.origins, problems })
  crossCheck({ raw, config, origins: draft.origins, problems })
  return config
}
