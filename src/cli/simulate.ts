import { ExitCode } from '../errors.ts'
import type { Command } from './command.ts'
import { writeJson, writeLines } from './output.ts'
import { runSimulation } from './simulate/load.ts'
import { readSimulateOptions, SIMULATE_OPTIONS } from './simulate/options.ts'
import { ProgressDisplay } from './simulate/progress-display.ts'
import { reportLines } from './simulate/report-lines.ts'

export const command: Command = {
  name: 'simulate',
  summary: 'places recording sessions against a recorder',
  usage: 'simulate [--to URI] [--calls N] [--cps R] [--duration DURATION] [options]',
  description:
    'A real session recording client: INVITE with SDP and metadata, two media streams of synthetic speech as paced RTP, RTCP, ' +
    'BYE. The people and numbers are invented. Impairments are drawn from a seed, which the summary names. ' +
    'Exits with 4 when any recording session failed.',
  examples: [
    'simulate',
    'simulate --to "sip:192.0.2.10:5060;transport=tcp" --calls 50 --cps 5 --duration 60s',
    'simulate --duration 20s --loss 5% --rtcp',
    'simulate --loss 5% --jitter 60ms --reorder 2% --duplicate 1% --hold 3s@2s',
  ],
  options: SIMULATE_OPTIONS,
  async run(context) {
    const options = readSimulateOptions(context)
    const display = new ProgressDisplay(context.stderr, options)
    let report
    try {
      report = await runSimulation(options, context.signal, (progress) => display.update(progress))
    } finally {
      display.close()
    }
    if (context.json) writeJson(context.stdout, report)
    else writeLines(context.stdout, reportLines(report, options))
    return report.failed > 0 || report.cancelled > 0 ? ExitCode.partlyDone : ExitCode.done
  },
}
