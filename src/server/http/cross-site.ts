import type { FastifyRequest } from 'fastify'

import { problem } from './problem.ts'

export const CROSS_SITE = problem(
  403,
  'cross-site',
  'A page of another site must not do this.',
  'Call the API from its own pages or from a program.',
)

/** What a browser sends on behalf of another site: there is no log-in that would keep it out. (Fetch Metadata, `Sec-Fetch-Site`) */
export function isCrossSite(request: Pick<FastifyRequest, 'headers'>): boolean {
  const site = request.headers['sec-fetch-site']
  return site === 'cross-site' || site === 'same-site'
}
