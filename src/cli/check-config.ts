import type { LoadedConfig } from '../config/load.ts'
import { renderExample, renderJsonSchema } from '../config/example.ts'
import { isSecret, listLeaves } from '../config/leaves.ts'
import { OTHER_VARIABLES } from '../config/read-environment.ts'
import { describeProblem } from '../config/problems.ts'
import { MASK } from '../config/secrets.ts'
import { ExitCode } from '../errors.ts'
import { flag } from './arguments.ts'
import type { Command, CommandContext } from './command.ts'
import { formatTable, paintFor, terminalColumns, writeJson, writeLines } from './output.ts'

export const command: Command = {
  name: 'check-config',
  summary: 'validates the configuration and shows the values in force',
  usage: 'check-config [--config FILE]',
  description:
    'Every value is shown with where it comes from: the default, a line of the file, or an environment variable. ' +
    'Secrets are shown ' +
    `as ${MASK}. All mistakes are reported together. Nothing is opened or started.`,
  examples: ['check-config', 'check-config --example > config/earwitness.yaml'],
  options: {
    example: {
      type: 'boolean',
      description: 'print a configuration file with every key, its default and what it does',
    },
    schema: { type: 'boolean', description: 'print the JSON schema of the file, for editors' },
    variables: { type: 'boolean', description: 'print the environment variable of every key' },
  },
  run: runCheckConfig,
}

async function runCheckConfig(context: CommandContext): Promise<ExitCode> {
  const { args, stdout } = context
  if (flag(args, 'example')) stdout.write(renderExample())
  else if (flag(args, 'schema')) stdout.write(renderJsonSchema())
  else if (flag(args, 'variables')) printVariables(context)
  else printEffective(context, context.loadedConfig())
  return ExitCode.done
}

interface EffectiveValue {
  readonly path: string
  readonly value: unknown
  readonly origin: string
}

/** Every leaf of the effective configuration in the order of the schema, secrets masked. */
export function effectiveValues(loaded: LoadedConfig): readonly EffectiveValue[] {
  const values: EffectiveValue[] = []
  const visit = (value: unknown, path: string): void => {
    const origin = loaded.origins.get(path)
    if (origin !== undefined && !(Array.isArray(value) && value.length > 0)) {
      values.push({ path, value: value !== null && isSecret(path) ? MASK : value, origin })
    } else if (Array.isArray(value)) {
      for (const [index, item] of value.entries()) visit(item, `${path}[${index}]`)
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, child] of Object.entries(value)) visit(child, path === '' ? key : `${path}.${key}`)
    }
  }
  visit(loaded.raw, '')
  return values
}

function printEffective(context: CommandContext, loaded: LoadedConfig): void {
  const { stdout, stderr, env } = context
  const values = effectiveValues(loaded)
  if (context.json) {
    writeJson(stdout, { file: loaded.file ?? null, values, warnings: loaded.warnings })
    return
  }
  const paint = paintFor(stdout, env)
  const rows = values.map(({ path, value, origin }) => [path, showValue(value), origin])
  const columns = [
    { title: 'key', paint: (cell: string) => paint('cyan', cell) },
    { title: 'value', shrinks: true },
    { title: 'origin', paint: (cell: string) => (cell === 'default' ? paint('dim', cell) : cell) },
  ]
  const options = { columnsMax: terminalColumns(stdout), heading: (text: string) => paint('bold', text) }
  writeLines(stdout, formatTable(columns, rows, options))
  const source =
    loaded.file === undefined ? 'No file was read; defaults and environment only.' : `${loaded.file} is fine.`
  const warnings = loaded.warnings.flatMap((warning) => [
    `${paintFor(stderr, env)('yellow', 'warning:')} ${describeProblem(warning)}`,
    `  hint: ${warning.hint}`,
  ])
  writeLines(stderr, ['', ...warnings, source])
}

function showValue(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function printVariables(context: CommandContext): void {
  const rows = [
    ...listLeaves().map((leaf) => [leaf.variable.replaceAll('#', '0'), leaf.path.replaceAll('[]', '[0]')] as const),
    ...[...OTHER_VARIABLES].map(([name, meaning]) => [name, meaning] as const),
  ]
  if (context.json) {
    writeJson(
      context.stdout,
      rows.map(([variable, key]) => ({ variable, key })),
    )
    return
  }
  writeLines(context.stdout, formatTable([{ title: 'variable' }, { title: 'key' }], rows))
}
