import type { Config } from '../../config/config.ts'
import { CHECKPOINT_STALE_MS } from '../../evidence/ledger/witness-tally.ts'
import { faultOf } from '../ledger/cosigners.ts'
import { fail, ok, warn, type Finding } from './finding.ts'
import type { LedgerReport } from './ledger-report.ts'
import type { Probes } from './probes.ts'

/** Requests of commands that may wait while a recorder runs: it looks every two seconds. */
const REQUESTS_GOOD_MAX = 1_000

export const LEDGER_CHECKS = [checkLedger, checkWitnesses]

/** Whether the log of signed statements is in order on this node, by its newest checkpoint and the key of the recorder. */
export async function checkLedger(_config: Config, probes: Probes): Promise<readonly Finding[]> {
  const report = await probes.ledger()
  if (report === undefined) return [ok('ledger', 'A ledger is begun at the first start.')]
  const isRunning = probes.daemonPid() !== undefined
  return [verdictOn(report, isRunning), ...waitingRequests(report, isRunning)]
}

/** Whether the witnesses of the configuration sign under it. */
async function checkWitnesses(_config: Config, probes: Probes): Promise<readonly Finding[]> {
  return (await probes.witnesses()).map(({ name, size, fault }) => {
    if (size === undefined) return ok('ledger-witness', `Witness ${name} is asked when there is a ledger.`)
    if (fault === undefined)
      return ok('ledger-witness', `Witness ${name} signs under the ledger, up to statement ${size - 1}.`)
    const { message, hint } = faultOf(name, fault)
    const isCaught = fault === 'ahead' || fault === 'forked' || fault === 'disputed'
    return isCaught ? fail('ledger-witness', message, hint) : warn('ledger-witness', message, hint)
  })
}

function verdictOn(report: LedgerReport, isRunning: boolean): Finding {
  const { logId, findings, size, coveredSize, coveredAt, silentMs } = report
  const [first] = findings
  if (first === 'statement-unknown-signer' || first === 'checkpoint-unknown-signer') {
    const sentence = `The ledger ${logId} is signed by another key than the one of this recorder.`
    const hint =
      'If the key was changed on purpose, the next start begins another ledger. If not, put the right key back.'
    return warn('ledger', sentence, hint)
  }
  if (first !== undefined) {
    const sentence = `The ledger ${logId} does not agree with what was signed for it (${findings.join(', ')}).`
    const hint =
      'Run `earwitness ledger verify`, keep its folder, and find out who changed it. The next start begins another one.'
    return fail('ledger', sentence, hint)
  }
  const behind = size - coveredSize
  if (isRunning && behind > 0 && silentMs > CHECKPOINT_STALE_MS) {
    const sentence = `The recorder has not signed a checkpoint of its ledger for ${Math.round(silentMs / 60_000)} minutes, though ${behind} statements wait for one.`
    return warn(
      'ledger',
      sentence,
      'Look at `earwitness status` and at the log of the recorder: it says what it cannot write.',
    )
  }
  const newest = coveredAt === undefined ? 'no checkpoint yet' : `the newest checkpoint signed ${coveredAt}`
  return ok('ledger', `The ledger is in order: ${size} statements, ${newest}.`)
}

function waitingRequests({ requestsWaiting }: LedgerReport, isRunning: boolean): readonly Finding[] {
  if (!isRunning || requestsWaiting <= REQUESTS_GOOD_MAX) return []
  const sentence = `${requestsWaiting} accesses by commands wait to be said in the ledger.`
  return [
    warn(
      'ledger-requests',
      sentence,
      'The recorder should take them within seconds: see that it may read ledger/requests in its data folder.',
    ),
  ]
}
