import fastify, { type FastifyInstance } from 'fastify'

import { ADD_CHECKPOINT_BYTES_MAX } from '../../evidence/ledger/add-checkpoint.ts'
import type { Witness } from './witness.ts'

const REQUEST_TIMEOUT_MS = 10_000
const TEXT = 'text/plain; charset=utf-8'

/** Serves `POST /add-checkpoint` and nothing else; a recorder sends one a minute. @param onError its memory failed */
export function witnessServer(
  witness: Pick<Witness, 'addCheckpoint'>,
  onError: (error: unknown) => void,
): FastifyInstance {
  const app = fastify({ bodyLimit: ADD_CHECKPOINT_BYTES_MAX, requestTimeout: REQUEST_TIMEOUT_MS })
  // Whatever its type says: what it is, is read.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body))
  app.post('/add-checkpoint', async (request, reply) => {
    const { status, contentType, body } = await witness.addCheckpoint(
      typeof request.body === 'string' ? request.body : '',
    )
    return reply.code(status).header('Content-Type', contentType).send(body)
  })
  app.setNotFoundHandler((_request, reply) => reply.code(404).type(TEXT).send('There is only POST /add-checkpoint.\n'))
  app.setErrorHandler((error, _request, reply) => {
    const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500
    if (status >= 500) onError(error)
    return reply
      .code(status)
      .type(TEXT)
      .send(status >= 500 ? 'The witness has failed.\n' : 'That is no request.\n')
  })
  return app
}
