import type { Config } from './config.ts'
import type { ConfigProblemCode, Problems } from './problems.ts'
import type { RawConfig } from './schema.ts'

/** What rules across keys look at. */
export interface Checking {
  readonly raw: RawConfig
  readonly config: Config
  readonly origins: ReadonlyMap<string, string>
  readonly problems: Problems
}

/** Tells a problem at the first of `paths`, where the first of them stands that somebody has set. */
export function report(
  { origins, problems }: Checking,
  code: ConfigProblemCode,
  paths: readonly string[],
  words: { readonly sentence: string; readonly hint: string },
): void {
  const given = paths.map((path) => origins.get(path)).filter((origin) => origin !== undefined && origin !== 'default')
  problems.add(paths[0], { code, where: given[0], ...words })
}
