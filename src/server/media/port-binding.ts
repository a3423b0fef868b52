import type { MediaStreamPlan } from '../../recorder/recording-types.ts'
import type { PortPool } from './port-pool.ts'
import type { BoundStream, OpenOutcome } from './worker-messages.ts'

/** How many runs of ports are tried when another program has one of them, each twice as far on: together 4,095 pairs and more. */
const PORT_TRIES = 12

export type BindResult =
  | { readonly ok: true; readonly streams: readonly BoundStream[] }
  | { readonly ok: false; readonly reason: 'portsExhausted' | 'failed'; readonly detail: string }

/** Takes ports for the streams and has `ask` bind them, until a run of ports is found that no other program uses. */
export async function bindPorts(
  pool: PortPool,
  plans: readonly MediaStreamPlan[],
  ask: (streams: readonly BoundStream[]) => Promise<OpenOutcome>,
): Promise<BindResult> {
  for (let tried = 0; tried < PORT_TRIES; tried += 1) {
    const ports = pool.take(plans.length)
    if (ports === undefined) break
    const streams = plans.map((plan, index) => ({ plan, port: ports[index] ?? 0 }))
    const outcome = await ask(streams)
    if (outcome.ok) return { ok: true, streams }
    pool.give(ports)
    pool.skip(2 ** tried - 1)
    if (outcome.reason === 'failed') return { ok: false, reason: 'failed', detail: outcome.detail }
  }
  return { ok: false, reason: 'portsExhausted', detail: 'no free RTP port pair in the configured range' }
}
