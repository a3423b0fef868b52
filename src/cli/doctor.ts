import { describeProblem } from '../config/problems.ts'
import { ExitCode } from '../errors.ts'
import { diagnose } from '../server/doctor/diagnose.ts'
import { warn, type Finding, type Verdict } from '../server/doctor/finding.ts'
import { machineProbes } from '../server/doctor/machine-probes.ts'
import packageJson from '../../package.json' with { type: 'json' }
import type { Command, CommandContext } from './command.ts'
import { paintFor, printable, terminalColumns, wrap, writeJson, writeLines, type Paint } from './output.ts'

const STYLES: Readonly<Record<Verdict, 'green' | 'yellow' | 'red'>> = { ok: 'green', warn: 'yellow', fail: 'red' }
const VERDICT_WIDTH = 6
const WIDTH_MIN = 40

export const command: Command = {
  name: 'doctor',
  summary: 'checks whether this machine is fit to record',
  usage: 'doctor',
  description:
    'Looks at programs, ports, buffers, limits, clock, database, storage and keys, as the user who runs it: run it as the user of the ' +
    'recorder. Nothing is changed, and it may be asked while the recorder runs. It ends with 1 when something fails; warnings alone end with 0.',
  examples: ['doctor', 'doctor --json'],
  options: {},
  run: runDoctor,
}

async function runDoctor(context: CommandContext): Promise<ExitCode> {
  const config = context.config()
  const found = await diagnose(config, machineProbes(config, packageJson.dependencies.node))
  const { warnings } = context.loadedConfig()
  const findings = [...found, ...warnings.map((one) => warn(one.code, describeProblem(one), one.hint))]
  const verdict = worst(findings)
  if (context.json) writeJson(context.stdout, { verdict, findings })
  else {
    const { stdout, env } = context
    writeLines(stdout, describeFindings(findings, paintFor(stdout, env), terminalColumns(stdout)))
  }
  return verdict === 'fail' ? ExitCode.failed : ExitCode.done
}

function worst(findings: readonly Finding[]): Verdict {
  const has = (verdict: Verdict): boolean => findings.some((finding) => finding.verdict === verdict)
  if (has('fail')) return 'fail'
  return has('warn') ? 'warn' : 'ok'
}

/** A line for each finding, with its hint below, and the sum. */
export function describeFindings(findings: readonly Finding[], paint: Paint, columnsMax?: number): readonly string[] {
  const width = columnsMax === undefined ? Infinity : Math.max(WIDTH_MIN, columnsMax) - VERDICT_WIDTH
  const indented = (text: string): readonly string[] =>
    (width === Infinity ? [text] : wrap(text, width)).map((line) => ' '.repeat(VERDICT_WIDTH) + line)
  const lines = findings.flatMap(({ verdict, sentence, hint }) => {
    const [first = '', ...rest] = indented(printable(sentence))
    const headline = paint(STYLES[verdict], verdict.padEnd(VERDICT_WIDTH)) + first.slice(VERDICT_WIDTH)
    return [headline, ...rest, ...(hint === undefined ? [] : indented(`hint: ${printable(hint)}`))]
  })
  const count = (verdict: Verdict): number => findings.filter((finding) => finding.verdict === verdict).length
  return [...lines, '', `${count('ok')} ok, ${count('warn')} to look at, ${count('fail')} that will not work`]
}
