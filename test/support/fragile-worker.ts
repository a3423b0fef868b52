import { parentPort, workerData } from 'node:worker_threads'

import type { FromWorker, ToWorker } from '../../src/server/media/worker-messages.ts'

/**
 * A media worker that binds nothing and dies when it is told to: `receiveBufferBytes` of its settings says when. 0: before it is
 * ready. 1: when it gets `open`. 2: when it gets `update`. 3: when it gets `end`.
 */
const DIES_AT = ['start', 'open', 'update', 'end']
const { receiveBufferBytes } = workerData as { receiveBufferBytes: number }
const deadly = DIES_AT[receiveBufferBytes]

function answer(message: FromWorker): void {
  parentPort?.postMessage(message)
}

if (deadly === 'start') throw new Error('died at the start')

parentPort?.on('message', (message: ToWorker) => {
  if (message.kind === deadly) throw new Error(`died at ${message.kind}`)
  if (message.kind === 'stop') parentPort?.close()
  if (message.kind === 'open' || message.kind === 'update') {
    answer({ kind: 'opened', requestId: message.requestId, outcome: { ok: true } })
  }
})

answer({ kind: 'ready' })
