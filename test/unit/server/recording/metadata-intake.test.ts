import { beforeEach, describe, expect, test } from 'vitest'

import { sha256Hex } from '../../../../src/evidence/sha256.ts'
import type { ReceivedMetadata } from '../../../../src/recorder/snapshot-keeper.ts'
import type { LiveRecording } from '../../../../src/server/recording/live-recording.ts'
import { MetadataIntake } from '../../../../src/server/recording/metadata-intake.ts'
import { bytesOf, liveRecording } from './live-recordings.ts'

let recording: LiveRecording
let passed: ReceivedMetadata[]
let refused: string[]
let noted: number
let asked: string[]
let intake: MetadataIntake

beforeEach(() => {
  recording = liveRecording()
  passed = []
  refused = []
  noted = 0
  asked = []
  intake = new MetadataIntake(
    {
      media: { metadata: (_id: string, received: ReceivedMetadata) => void passed.push(received) },
      custody: { noteFacts: () => void (noted += 1) },
      events: { metadataRejected: (_recording: LiveRecording, reason: string) => void refused.push(reason) },
    } as unknown as ConstructorParameters<typeof MetadataIntake>[0],
    { requests: { askForSnapshot: (_recording, need) => void asked.push(need) }, peopleChanged: () => {} },
  )
})

const XML = bytesOf(
  '<recording><session session_id="cs-0001"><e xmlns="http:/acmepacket.com/siprec/extensiondata"/></session></recording>',
)

describe('metadata in a message of the dialog, whichever: UPDATE, INFO, BYE or ACK', () => {
  test('goes to the worker as it came, with its hash, and its facts to the database', () => {
    intake.passBody(recording, 'application/rs-metadata', {
      body: XML,
      receivedUs: recording.facts.openedUs + 5_000_000,
    })
    expect(passed).toHaveLength(1)
    expect(passed[0]?.raw).toEqual(XML)
    expect(passed[0]?.rawSha256).toBe(sha256Hex(XML))
    expect(recording.pendingSnapshots[0]?.receivedAt).toBe(
      new Date(recording.facts.openedAtUnixMs + 5_000).toISOString(),
    )
    expect(recording.communication.dialect).toBe('oracle')
    expect([noted, refused]).toEqual([1, []])
  })

  test('is kept when it cannot be read', () => {
    const raw = bytesOf('<!DOCTYPE x><recording/>')
    intake.passBody(recording, 'application/rs-metadata+xml', { body: raw, receivedUs: recording.facts.openedUs })
    expect(passed[0]).toEqual({ raw, rawSha256: sha256Hex(raw), snapshot: undefined })
    expect(recording.pendingSnapshots[0]?.reason).toBe('doctype')
    expect(refused).toEqual(['doctype'])
    expect(asked).toEqual(['unreadable'])
  })

  test('is left alone when it is something else', () => {
    intake.passBody(recording, 'application/sdp', { body: bytesOf('v=0'), receivedUs: 0 })
    intake.passBody(recording, undefined, { body: new Uint8Array(), receivedUs: 0 })
    expect(passed).toEqual([])
  })
})
