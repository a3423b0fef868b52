import type { FastifyInstance } from 'fastify'

import { consentState } from '../../evidence/consent-state.ts'
import { storedConsentEvents } from '../../evidence/stored-consent-events.ts'
import { decodeManifest } from '../../evidence/manifest.ts'
import { KEY_NAME, MANIFEST_NAME } from '../../evidence/object-names.ts'
import { sha256Hex } from '../../evidence/sha256.ts'
import { vconOf } from '../../evidence/vcon.ts'
import { problem, sendProblem } from './problem.ts'
import type { ReadObject } from './recording-routes.ts'

const NOT_FOUND = problem(
  404,
  'recording-not-found',
  'There is no recording with this id.',
  'It is there from the first RTP on; `earwitness recordings list` shows the ids.',
)

const NOT_OVER = problem(
  404,
  'vcon-not-found',
  'There is no manifest of a recording with this id.',
  'It is there when the recording is over; `earwitness verify` says what is wrong with one that cannot be read.',
)
/** draft-ietf-vcon-vcon-core */
const VCON_TYPE = 'application/vcon'

/**
 * `GET /api/v1/recordings/{id}/consent-events`: what is stored of them, in order, with the consent state that follows, also of a recording under way. Each
 * comes as it was signed; `earwitness verify` says whether they are to be believed. `GET …/vcon`: the recording as an unsigned vCon, with ids for people and
 * without its audio, which no recorder can open.
 */
export function addConsentRoutes(app: FastifyInstance, readObject: ReadObject): void {
  app.get<{ Params: { id: string } }>('/api/v1/recordings/:id/consent-events', async (request, reply) => {
    const { id: recordingId } = request.params
    const stored = await storedConsentEvents(recordingId, (name) => readObject(recordingId, name))
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
  app.get<{ Params: { id: string } }>('/api/v1/recordings/:id/vcon', async (request, reply) => {
    const { id: recordingId } = request.params
    const bytes = await readObject(recordingId, MANIFEST_NAME)
    const manifestJws = new TextDecoder('latin1').decode(bytes)
    const decoded = decodeManifest(manifestJws)
    if (!decoded.ok) return sendProblem(reply, NOT_OVER)
    const events = await storedConsentEvents(recordingId, (name) => readObject(recordingId, name))
    const manifest = decoded.value.body
    return reply
      .type(VCON_TYPE)
      .send(JSON.stringify(vconOf({ manifest, manifestJws, events, createdAt: manifest.endedAt })))
  })
}
