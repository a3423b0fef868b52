import type { FastifyInstance } from 'fastify'

import { CONSENT_EVENTS_MAX, decodeConsentEvent, type ConsentEvent } from '../../evidence/consent-event.ts'
import { consentState } from '../../evidence/consent-state.ts'
import { consentName, KEY_NAME } from '../../evidence/object-names.ts'
import { sha256Hex } from '../../evidence/sha256.ts'
import { problem, sendProblem } from './problem.ts'
import type { ReadObject } from './recording-routes.ts'

const NOT_FOUND = problem(
  404,
  'recording-not-found',
  'There is no recording with this id.',
  'It is there from the first RTP on; `earwitness recordings list` shows the ids.',
)

/**
 * `GET /api/v1/recordings/{id}/consent-events`: what is stored of them, in order, with the consent state that follows, also of a recording under way. Each
 * comes as it was signed; `earwitness verify` says whether they are to be believed.
 */
export function addConsentRoutes(app: FastifyInstance, readObject: ReadObject): void {
  app.get<{ Params: { id: string } }>('/api/v1/recordings/:id/consent-events', async (request, reply) => {
    const { id: recordingId } = request.params
    const stored = await storedEvents(recordingId, readObject)
    if (stored.length === 0 && (await readObject(recordingId, KEY_NAME)) === undefined) {
      return sendProblem(reply, NOT_FOUND)
    }
    const state = consentState(stored.map(({ event }) => event))
    return {
      recordingId,
      state,
      consentEvents: stored.map(({ event, jws }) => ({ ...event, sha256: sha256Hex(jws), jws })),
    }
  })
}

async function storedEvents(
  recordingId: string,
  readObject: ReadObject,
): Promise<readonly { readonly event: ConsentEvent; readonly jws: string }[]> {
  const events: { readonly event: ConsentEvent; readonly jws: string }[] = []
  for (let number = 0; number < CONSENT_EVENTS_MAX; number += 1) {
    const bytes = await readObject(recordingId, consentName(number))
    if (bytes === undefined) return events
    const jws = new TextDecoder('latin1').decode(bytes)
    const decoded = decodeConsentEvent(jws)
    if (!decoded.ok || decoded.value.event.recordingId !== recordingId) return events
    events.push({ event: decoded.value.event, jws })
  }
  return events
}
