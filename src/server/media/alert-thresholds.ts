import type { Config } from '../../config/config.ts'
import type { AlertThresholds } from '../../recorder/stream-watch.ts'

/** Milliseconds of the configuration as microseconds of the recorder. */
export function alertThresholds(alerts: Config['alerts']): AlertThresholds {
  const { zeroPacketsMs, oneWayMs, stoppedMs, silentMs, silentLevelDbov } = alerts
  return {
    zeroPacketsUs: zeroPacketsMs * 1_000,
    oneWayUs: oneWayMs * 1_000,
    stoppedUs: stoppedMs * 1_000,
    silentUs: silentMs * 1_000,
    silentLevelDbov,
  }
}
