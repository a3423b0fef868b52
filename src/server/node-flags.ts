import type { Logger } from './telemetry/logger.ts'

/** Why, says `NODE_FLAGS` in `bin/lib/paths.mjs`. */
const KEEPS_WASM_CODE = '--no-wasm-code-gc'

/**
 * Says so when this Node was started without the flag that keeps V8 from ending it, by a service file of somebody's own. What is in `bin/`
 * and the image give it.
 *
 * @param execArgv what Node itself was started with
 */
export function warnOfNodeFlags(execArgv: readonly string[], log: Logger): void {
  if (execArgv.includes(KEEPS_WASM_CODE)) return
  const hint = `Start the recorder by npm start, npx earwitness serve or the image; or give node ${KEEPS_WASM_CODE} before src/main.ts.`
  log.warn({ code: 'node-flag-missing', hint }, 'a fault of this Node may end the recorder when a media worker starts')
}
