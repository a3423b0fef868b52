// node bin/lib/count-tests.mjs REPORT EXIT_CODE: prints `passed failed skipped` from vitest's JSON report.
import { readFileSync } from 'node:fs'

/**
 * Counts a test run. A test file that could not be loaded counts as one failed test; so does a run that ended badly without
 * naming a failed test (a crash, an unhandled error, no report, no test at all).
 */
export function countTests(reportText, exitCode) {
  let report
  try {
    report = JSON.parse(reportText ?? '')
  } catch {
    return { passed: 0, failed: 1, skipped: 0 }
  }
  const unloadable = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some(isFailed),
  )
  const passed = report.numPassedTests
  const failed = report.numFailedTests + unloadable.length
  const endedBadly = failed === 0 && (exitCode !== 0 || passed === 0)
  return { passed, failed: failed + (endedBadly ? 1 : 0), skipped: report.numPendingTests + report.numTodoTests }
}

function isFailed(assertion) {
  return assertion.status === 'failed'
}

function readReport(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

if (process.argv[1]?.endsWith('count-tests.mjs')) {
  const [file, exitCode] = process.argv.slice(2)
  const { passed, failed, skipped } = countTests(readReport(file), Number(exitCode))
  process.stdout.write(`${passed} ${failed} ${skipped}\n`)
}
