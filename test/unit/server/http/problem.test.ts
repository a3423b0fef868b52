import { expect, test } from 'vitest'

import { EarwitnessError } from '../../../../src/errors.ts'
import { createHttpServer } from '../../../../src/server/http/server.ts'

function server() {
  const reported: unknown[] = []
  const app = createHttpServer((error) => reported.push(error))
  app.get('/here', async () => ({ ok: true }))
  app.get('/bug', async () => {
    throw new Error('password=hunter2 at /srv/secret')
  })
  app.get('/full', async () => {
    throw new EarwitnessError('storage-full', 'The disk is full.', 'Free some space.')
  })
  return { app, reported }
}

test('an unknown address is a problem document with a stable code', async () => {
  const response = await server().app.inject('/nowhere?x=1')
  expect(response.statusCode).toBe(404)
  expect(response.headers['content-type']).toMatch(/^application\/problem\+json/)
  expect(response.json()).toMatchObject({
    type: 'urn:earwitness:problem:not-found',
    title: 'Not found',
    status: 404,
    code: 'not-found',
  })
})

test('writing to an address that can only be read is 405 and says what is allowed', async () => {
  const response = await server().app.inject({ method: 'DELETE', url: '/here?x=1' })
  expect(response.statusCode).toBe(405)
  expect(response.headers.allow).toBe('GET, HEAD')
  expect(response.json()).toMatchObject({ code: 'method-not-allowed' })
})

test('an exception shows nothing of itself to the client and is reported', async () => {
  const { app, reported } = server()
  const response = await app.inject('/bug')
  expect(response.statusCode).toBe(500)
  expect(response.json()).toMatchObject({ code: 'internal-error' })
  expect(response.body).not.toContain('hunter2')
  expect(reported).toHaveLength(1)
})

test('an error that people can meet keeps its code, sentence and hint', async () => {
  const response = await server().app.inject('/full')
  expect(response.statusCode).toBe(503)
  expect(response.json()).toMatchObject({ code: 'storage-full', detail: 'The disk is full.', hint: 'Free some space.' })
})

test('a body that is not JSON, or is too large, is refused and not reported', async () => {
  const { app, reported } = server()
  app.post('/post', async () => ({}))
  const headers = { 'content-type': 'application/json' }
  const notJson = await app.inject({ method: 'POST', url: '/post', headers, payload: '{' })
  const tooLarge = await app.inject({ method: 'POST', url: '/post', headers, payload: `"${'x'.repeat(100_000)}"` })
  expect([notJson.statusCode, tooLarge.statusCode]).toEqual([400, 413])
  expect(notJson.json()).toMatchObject({ code: 'bad-request' })
  expect(reported).toEqual([])
})

test.each(['/here', '/nowhere', '/bug'])(
  '%s carries the headers that keep browsers from guessing, framing and caching',
  async (url) => {
    const { headers } = await server().app.inject(url)
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    })
  },
)
