import { parseArgs, type ParseArgsOptionsConfig } from 'node:util'

type Values<Options extends ParseArgsOptionsConfig> = ReturnType<typeof parseArgs<{ options: Options }>>['values']

const NUMBER = /^\d+(\.\d+)?$/

/**
 * The options of a benchmark, a matrix or a fuzzer, from its command line. `--help` prints them and ends with exit code 0; a mistake is named, and ends it with 2 before anything was
 * started.
 *
 * @param name what is typed behind `npm run`
 */
export function commandOptions<const Options extends ParseArgsOptionsConfig>(
  name: string,
  options: Options,
): Values<Options> {
  const read = readOptions(options, process.argv.slice(2))
  if (read.values !== undefined) return read.values
  const { mistake } = read
  const [stream, said] = mistake === undefined ? [process.stdout, []] : [process.stderr, [mistake]]
  stream.write(`${[...said, ...usage(name, options)].join('\n')}\n`)
  return process.exit(mistake === undefined ? 0 : 2)
}

interface Read<Options extends ParseArgsOptionsConfig> {
  readonly values?: Values<Options>
  /** A sentence. Without it and without values: somebody asks for help. */
  readonly mistake?: string
}

/** An option whose default is a number takes nothing else. */
export function readOptions<const Options extends ParseArgsOptionsConfig>(
  options: Options,
  args: readonly string[],
): Read<Options> {
  if (args.includes('--help') || args.includes('-h')) return {}
  try {
    const { values } = parseArgs({ options, args: [...args] })
    const given: Partial<Record<string, unknown>> = values
    const wrong = Object.entries(options).find(
      ([name, option]) => isNumeric(option) && !NUMBER.test(String(given[name])),
    )
    if (wrong === undefined) return { values }
    return { mistake: `--${wrong[0]} wants a number, not "${String(given[wrong[0]])}".` }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    return { mistake: error.message.split('\n')[0] ?? '' }
  }
}

const isNumeric = ({ default: value }: ParseArgsOptionsConfig[string]): boolean => NUMBER.test(String(value))

function usage(name: string, options: ParseArgsOptionsConfig): readonly string[] {
  const lines = Object.entries(options).map(([option, { type, default: value }]) => {
    const shown = value === undefined || value === false || value === '' ? '' : `  (${String(value)})`
    return `  --${option}${type === 'string' ? ' VALUE' : ''}${shown}`
  })
  return [`Usage: npm run ${name} -- [options], each with what holds without it:`, ...lines]
}
