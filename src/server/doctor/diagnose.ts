import type { Config } from '../../config/config.ts'
import { warn, type Finding } from './finding.ts'
import { ANNOUNCEMENT_CHECKS } from './announcement-checks.ts'
import { KEEPING_CHECKS } from './keeping-checks.ts'
import { LEDGER_CHECKS } from './ledger-checks.ts'
import { NETWORK_CHECKS } from './network-checks.ts'
import type { Probes } from './probes.ts'
import { PROGRAM_CHECKS } from './program-checks.ts'

type Check = (config: Config, probes: Probes) => Promise<Finding | readonly Finding[]>

const CHECKS: readonly Check[] = [
  ...PROGRAM_CHECKS,
  ...NETWORK_CHECKS,
  ...KEEPING_CHECKS,
  ...LEDGER_CHECKS,
  ...ANNOUNCEMENT_CHECKS,
]

/** Runs every check, one after the other; a check that itself fails is a finding, not an error. */
export async function diagnose(config: Config, probes: Probes): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const check of CHECKS) findings.push(...(await attempt(check, config, probes)))
  return findings
}

async function attempt(check: Check, config: Config, probes: Probes): Promise<readonly Finding[]> {
  try {
    return [await check(config, probes)].flat()
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'unknown'
    return [warn('doctor', `A check could not be made (${reason}).`, 'Please report this sentence.')]
  }
}
