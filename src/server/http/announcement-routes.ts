import type { FastifyInstance } from 'fastify'

import type { Result } from '../../result.ts'
import { CROSS_SITE, isCrossSite } from './cross-site.ts'
import { problem, sendProblem, type Problem } from './problem.ts'

const TEXT_LENGTH_MAX = 256
const REQUIRED = ['sipCallId', 'tag'] as const
const OPTIONAL = ['prompt', 'language', 'dialled', 'jurisdiction'] as const

/** What the body says: texts. */
type AnnouncementBody = Readonly<Record<(typeof REQUIRED)[number], string>> &
  Readonly<Partial<Record<(typeof OPTIONAL)[number], string>>>

export type Announce = (
  request: AnnouncementBody,
) => Promise<Result<number, 'off' | 'prompt' | 'full' | 'unreachable' | 'refused'>>

const BAD_BODY = problem(
  400,
  'announcement-request',
  'An announcement needs a JSON object with sipCallId and tag, and perhaps prompt, language, dialled and jurisdiction, all of them short texts.',
)

const PROBLEMS: Readonly<Record<'off' | 'prompt' | 'full' | 'unreachable' | 'refused', Problem>> = {
  off: problem(
    409,
    'announcement-off',
    'No element in the media path is configured.',
    'Set announcements.enabled and announcements.rtpengine.address.',
  ),
  prompt: problem(
    404,
    'prompt-not-found',
    'There is no such prompt.',
    'The index of announcements.folder names those that there are.',
  ),
  full: problem(503, 'announcements-full', 'announcements.simultaneousMax is reached.'),
  unreachable: problem(
    503,
    'media-path-unreachable',
    'The element in the media path does not answer.',
    'Look at announcements.rtpengine.address, and whether rtpengine listens there (listen-ng).',
  ),
  refused: problem(
    409,
    'media-path-refused',
    'The element in the media path does not play that to this party.',
    'Is the call there, is the tag one of its parties, and can it read the file (announcements.rtpengine.folder)?',
  ),
}

/** `POST /api/v1/announcements`: has an element in the media path play a prompt to a party of a call; 202 with how long it lasts. */
export function addAnnouncementRoutes(app: FastifyInstance, announce: Announce): void {
  app.post('/api/v1/announcements', async (request, reply) => {
    if (isCrossSite(request)) return sendProblem(reply, CROSS_SITE)
    const body = readBody(request.body)
    if (body === undefined) return sendProblem(reply, BAD_BODY)
    const announced = await announce(body)
    if (!announced.ok) return sendProblem(reply, PROBLEMS[announced.reason])
    return reply.code(202).send({ lastsMs: announced.value })
  })
}

function readBody(body: unknown): AnnouncementBody | undefined {
  if (typeof body !== 'object' || body === null) return undefined
  const known: readonly string[] = [...REQUIRED, ...OPTIONAL]
  const entries = Object.entries(body)
  const isFine = entries.every(
    ([name, value]) =>
      known.includes(name) && typeof value === 'string' && value !== '' && value.length <= TEXT_LENGTH_MAX,
  )
  const isWhole = REQUIRED.every((name) => Object.hasOwn(body, name))
  return isFine && isWhole ? (Object.fromEntries(entries) as AnnouncementBody) : undefined
}
