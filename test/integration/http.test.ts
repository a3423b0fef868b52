import { once } from 'node:events'
import { connect, createServer } from 'node:net'

import { afterEach, describe, expect, test } from 'vitest'

import { ApiServer } from '../../src/server/http/api-server.ts'
import { NO_AUDIO, NO_EVENTS } from '../support/no-events.ts'
import { type HttpListenAddress, httpUrl } from '../../src/server/http/listen.ts'
import type { LiveRecordingSession, StatusReport } from '../../src/server/http/status-report.ts'
import type { NoteConsent, Operate } from '../../src/server/http/operator-routes.ts'
import { Health } from '../../src/server/telemetry/health.ts'
import { createMetrics, createRegistry } from '../../src/server/telemetry/metrics.ts'
import { TelemetryServer } from '../../src/server/telemetry/telemetry-server.ts'

const FREE_PORT: HttpListenAddress = { address: '127.0.0.1', port: 0 }

const STATUS: StatusReport = {
  version: '0.1.0',
  state: 'ready',
  ready: true,
  startedAt: '2026-11-23T10:00:00.000Z',
  uptimeSeconds: 60,
  checks: [{ name: 'storage', weight: 'required', ok: true }],
  addresses: {
    engine: 'embedded',
    sip: ['udp:127.0.0.1:5060'],
    rtp: { address: '127.0.0.1', portMin: 10_000, portMax: 10_999 },
    http: 'http://127.0.0.1:8080',
    telemetry: 'http://127.0.0.1:9464',
  },
  recordingSessions: { active: 1, total: 4 },
  workers: [{ id: 0, recordingSessions: 1, queueDepth: 0, opusEngine: 'libopus-wasm', receiver: 'native' }],
  outboxBacklogBytes: 0,
  uploadBacklogBytes: 0,
  ledger: { logId: undefined, size: 0, checkpointSize: 0, checkpointAt: undefined },
}

const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()))
})

const NOBODY: Operate = () => ({ ok: false, reason: 'unknown' })
const NOBODY_SAYS = (): Promise<never> => Promise.reject(new Error('nobody asks'))
const UNTOLD: NoteConsent = async () => ({ ok: false, reason: 'unknown' })

async function startApi(
  sessions: readonly LiveRecordingSession[] = [],
  listen = FREE_PORT,
  operate: Operate = NOBODY,
  noteConsent: NoteConsent = UNTOLD,
): Promise<string> {
  const api = new ApiServer({
    listen,
    announce: async () => ({ ok: false, reason: 'off' }),
    status: () => STATUS,
    recordingSessions: async () => sessions,
    events: NO_EVENTS,
    audio: NO_AUDIO,
    readObject: async () => undefined,
    ...{ operate, noteConsent, sayLater: NOBODY_SAYS },
    reportError: () => {},
  })
  stops.push(() => api.stop())
  return httpUrl(await api.run())
}

async function startTelemetry() {
  const health = new Health()
  const registry = createRegistry()
  const metrics = createMetrics(registry, { sources: [], version: '0.1.0' })
  const server = new TelemetryServer({ listen: FREE_PORT, health, registry, reportError: () => {} })
  stops.push(() => server.stop())
  return { health, metrics, url: httpUrl(await server.run()) }
}

describe('the HTTP API', () => {
  test('gives the status of the recorder', async () => {
    const response = await fetch(`${await startApi()}/api/v1/status`)
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual(STATUS)
  })

  test('lists live recording sessions with ids, source, state, pauses and start, and nothing else', async () => {
    const session = {
      rsId: 'a',
      recordingId: 'b',
      src: 'sbc-east',
      state: 'recording',
      pausedBy: ['api'],
      startedAt: '2026-11-23T10:00:00.000Z',
      participants: ['sip:alice@example.com'],
    }
    const response = await fetch(`${await startApi([session])}/api/v1/recording-sessions`)
    const { participants: _participants, ...expected } = session
    expect(await response.json()).toEqual({ recordingSessions: [expected], total: 1 })
  })

  describe('what an operator was told about consent', () => {
    const live = { rsId: 'a', recordingId: 'b', src: 'sbc-east', state: 'recording', pausedBy: [], startedAt: 'now' }
    const said: unknown[] = []
    const noteConsent: NoteConsent = async (rsId, word) => {
      if (rsId === 'strange') return { ok: false, reason: 'unknownParty' }
      if (rsId === 'full') return { ok: false, reason: 'notKept' }
      if (rsId !== 'a') return { ok: false, reason: rsId === 'quiet' ? 'notDecided' : 'unknown' }
      said.push(word)
      return { ok: true, value: { ...live, consent: 'agreed' } }
    }
    const post = async (rsId: string, body: string, headers: Record<string, string> = {}): Promise<Response> =>
      fetch(`${await startApi([], FREE_PORT, NOBODY, noteConsent)}/api/v1/recording-sessions/${rsId}/consent`, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json', ...headers },
      })

    test('is noted, and answered with the state of consent then', async () => {
      const words = [
        { answer: 'yes', participantId: 'p1' },
        { answer: 'no', participantId: 'p1' },
        { answer: 'withdrawn' },
      ]
      for (const word of words) {
        const response = await post('a', JSON.stringify(word))
        expect(response.status).toBe(200)
        expect(await response.json()).toEqual({ ...live, consent: 'agreed' })
      }
      expect(said).toEqual(words)
    })

    test.each([
      ['a', '{"answer":"maybe","participantId":"p1"}', 400, 'consent-invalid'],
      ['a', '{"answer":"yes"}', 400, 'consent-invalid'],
      ['a', '{"answer":"yes","participantId":7}', 400, 'consent-invalid'],
      ['a', `{"answer":"yes","participantId":"${'p'.repeat(201)}"}`, 400, 'consent-invalid'],
      ['a', '[]', 400, 'consent-invalid'],
      ['strange', '{"answer":"yes","participantId":"+4930123456"}', 400, 'consent-unknown-party'],
      ['quiet', '{"answer":"withdrawn"}', 409, 'consent-not-decided'],
      ['full', '{"answer":"withdrawn"}', 503, 'consent-not-written'],
      ['other', '{"answer":"withdrawn"}', 404, 'recording-session-not-found'],
    ])('%s %s is a problem', async (rsId, body, status, code) => {
      expect(await (await post(rsId, body)).json()).toMatchObject({ status, code })
    })

    test('is not taken from a page of another site', async () => {
      const response = await post('a', '{"answer":"withdrawn"}', { 'sec-fetch-site': 'cross-site' })
      expect(response.status).toBe(403)
    })
  })

  describe('what an operator does to a recording session', () => {
    const live = {
      ...{ rsId: 'a', recordingId: 'b', src: 'sbc-east', state: 'recording', pausedBy: ['api'] },
      startedAt: '2026-11-23T10:00:00.000Z',
    }
    const operate: Operate = (rsId, action) => {
      if (rsId === 'late') return { ok: false, reason: 'notRecording' }
      return rsId === 'a' ? { ok: true, value: { ...live, state: action } } : { ok: false, reason: 'unknown' }
    }
    const post = async (path: string, headers: Record<string, string> = {}): Promise<Response> =>
      fetch(`${await startApi([], FREE_PORT, operate)}/api/v1/recording-sessions/${path}`, { method: 'POST', headers })

    test.each([
      ['pause', 200],
      ['resume', 200],
      ['stop', 202],
    ])('%s is answered with the recording session as it is then', async (action, status) => {
      const response = await post(`a/${action}`)
      expect(response.status).toBe(status)
      expect(await response.json()).toEqual({ ...live, state: action })
    })

    test.each([
      ['unknown/pause', 404, 'recording-session-not-found'],
      ['late/stop', 409, 'recording-session-not-recording'],
      ['a/rewind', 404, 'not-found'],
    ])('%s is a problem', async (path, status, code) => {
      const response = await post(path)
      expect(response.headers.get('content-type')).toContain('application/problem+json')
      expect(await response.json()).toMatchObject({ status, code })
    })

    test('is not done for a page of another site', async () => {
      expect(await (await post('a/stop', { 'sec-fetch-site': 'cross-site' })).json()).toMatchObject({
        status: 403,
        code: 'cross-site',
      })
      expect((await post('a/stop', { 'sec-fetch-site': 'same-origin' })).status).toBe(202)
    })

    test('is not to be had by reading', async () => {
      const response = await fetch(`${await startApi([], FREE_PORT, operate)}/api/v1/recording-sessions/a/pause`)
      expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST'])
    })
  })

  test('says which address is taken, and what to do', async () => {
    const taken = createServer()
    taken.listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as { port: number }
    await expect(startApi([], { address: '127.0.0.1', port })).rejects.toMatchObject({
      code: 'http-port-in-use',
      message: `127.0.0.1:${port} is taken by another program.`,
      hint: expect.stringContaining('http.listen') as string,
    })
    taken.close()
  })

  test('says so when the address is not one of this machine', async () => {
    await expect(startApi([], { address: '192.0.2.1', port: 0 })).rejects.toMatchObject({
      code: 'http-address-not-available',
    })
  })

  test('answers bytes that are not HTTP with a problem document and closes', async () => {
    const { port } = new URL(await startApi())
    const socket = connect(Number(port), '127.0.0.1')
    socket.write('OPTIONS sip:recorder@example.com SIP/2.0\r\n\r\n')
    const chunks: Buffer[] = []
    for await (const chunk of socket) chunks.push(chunk as Buffer)
    const answer = Buffer.concat(chunks).toString()
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))).toMatchObject({ code: 'bad-request', status: 400 })
  })

  test('stops although a client keeps its connection open', async () => {
    const api = new ApiServer({
      listen: FREE_PORT,
      announce: async () => ({ ok: false, reason: 'off' }),
      status: () => STATUS,
      recordingSessions: async () => [],
      events: NO_EVENTS,
      audio: NO_AUDIO,
      readObject: async () => undefined,
      ...{ operate: NOBODY, noteConsent: UNTOLD, sayLater: NOBODY_SAYS },
      reportError: () => {},
    })
    const { port } = await api.run()
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.write('GET /api/v1/status HTTP/1.1\r\nhost: half')
    const closed = once(socket, 'close')
    socket.resume()
    await api.stop()
    await closed
    expect(socket.destroyed).toBe(true)
  })
})

describe('the telemetry server', () => {
  test('is live and ready', async () => {
    const { url } = await startTelemetry()
    expect(await (await fetch(`${url}/livez`)).text()).toBe('live\n')
    const ready = await fetch(`${url}/readyz`)
    expect([ready.status, await ready.text()]).toEqual([200, 'ready\n'])
  })

  test('is live but not ready when something required fails, and names it', async () => {
    const { url, health } = await startTelemetry()
    health.register({
      name: 'storage',
      weight: 'required',
      check: () => ({ ok: false, sentence: 'The disk is full.' }),
    })
    const ready = await fetch(`${url}/readyz`)
    expect([ready.status, await ready.text()]).toEqual([503, 'not ready: storage\n'])
    expect((await fetch(`${url}/livez`)).status).toBe(200)
    const verbose = await fetch(`${url}/readyz?verbose`)
    expect(verbose.status).toBe(503)
    expect(await verbose.json()).toEqual(health.verdict())
  })

  test('turns 503 at once when the recorder drains', async () => {
    const { url, health } = await startTelemetry()
    health.drain()
    const ready = await fetch(`${url}/readyz`)
    expect([ready.status, await ready.text()]).toEqual([503, 'draining\n'])
  })

  test('gives metrics in the text format of Prometheus', async () => {
    const { url, metrics } = await startTelemetry()
    metrics.rtpPacketsReceivedTotal.inc(3)
    const response = await fetch(`${url}/metrics`)
    expect(response.headers.get('content-type')).toContain('text/plain; version=0.0.4')
    expect(await response.text()).toContain('earwitness_rtp_packets_received_total 3\n')
  })
})
