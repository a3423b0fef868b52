import { consentReport, consentReportText, type ConsentReport } from '../../evidence/consent-report.ts'
import { consentReportHtml } from '../../evidence/bundle/consent-html.ts'
import { ExitCode } from '../../errors.ts'
import { loadVerifyKey, SIGNER_PUBLIC_FILE } from '../../server/storage/key-files.ts'
import { flag, textOptions } from '../arguments.ts'
import type { CommandContext } from '../command.ts'
import { writeJson, writeLines } from '../output.ts'
import { withLedger } from '../ledger/recording-in-ledger.ts'
import { findRecording } from '../stored-recording.ts'
import { verifyRecording } from '../../evidence/verify.ts'
import { join } from 'node:path'

/** `earwitness consent report ID`: what is proved about consent, for a reader who is not an engineer. Exit code 3 when the recording does not verify. */
export async function reportConsent(context: CommandContext, recordingId: string): Promise<ExitCode> {
  const config = context.config()
  const keyFiles = textOptions(context.args, 'key')
  const files = keyFiles.length > 0 ? keyFiles : [join(config.dataDir, 'keys', SIGNER_PUBLIC_FILE)]
  const keys = await Promise.all(files.map(loadVerifyKey))
  const objects = await findRecording(config, recordingId)
  const found = await verifyRecording({ recordingId, objects, keys })
  const { verdict } = await withLedger(config, found, { objects, keys })
  const report: ConsentReport = consentReport(verdict.consent)
  const { verified, findings, consent } = verdict
  const doubts = verified ? [] : findings.map(({ sentence, code }) => `${sentence} [${code}]`)
  if (context.json)
    writeJson(context.stdout, { recordingId, verified, state: consent?.state ?? 'unknown', ...report, doubts })
  else if (flag(context.args, 'html')) writeLines(context.stdout, [consentReportHtml(recordingId, report, doubts)])
  else {
    const warning =
      doubts.length === 0 ? [] : ['NOT VERIFIED: what follows holds only as far as this allows:', ...doubts, '']
    writeLines(context.stdout, [...warning, consentReportText(recordingId, report)])
  }
  return verified ? ExitCode.done : ExitCode.verificationFailed
}
