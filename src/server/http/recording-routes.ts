import type { FastifyInstance } from 'fastify'

import { PEAKS_NAME } from '../../evidence/object-names.ts'
import { problem, sendProblem } from './problem.ts'

/** Sealed peaks: an age file, to be opened with the key of the recording. */
export const PEAKS_TYPE = 'application/vnd.earwitness.peaks+age'

/** Reads an object of a recording as it is stored; undefined when there is none, or no such recording. */
export type ReadObject = (recordingId: string, name: string) => Promise<Uint8Array | undefined>

const NOT_FOUND = problem(
  404,
  'peaks-not-found',
  'There are no peaks of a recording with this id.',
  'They are there once it is over, and if it holds audio; an interrupted one has none.',
)

/** `GET /api/v1/recordings/{id}/peaks`: sealed bytes, as no recorder can open them. They never change. */
export function addRecordingRoutes(app: FastifyInstance, readObject: ReadObject): void {
  app.get<{ Params: { id: string } }>('/api/v1/recordings/:id/peaks', async (request, reply) => {
    const sealed = await readObject(request.params.id, PEAKS_NAME)
    if (sealed === undefined) return sendProblem(reply, NOT_FOUND)
    return reply.type(PEAKS_TYPE).send(Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength))
  })
}
