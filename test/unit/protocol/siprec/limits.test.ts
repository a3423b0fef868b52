import { expect, test } from 'vitest'
import { bytesOf, valueOf } from './vectors.ts'
import { DELIMITERS_MAX, findDelimiters } from '../../../../src/protocol/siprec/delimiters.ts'
import { PARAMETERS_MAX, parseParameterizedValue } from '../../../../src/protocol/siprec/header-value.ts'
import { KNOWN_OBJECTS_MAX, MetadataState } from '../../../../src/protocol/siprec/metadata-state.ts'
import { BOUNDARY_LENGTH_MAX, splitBody } from '../../../../src/protocol/siprec/multipart.ts'
import { parseMetadata } from '../../../../src/protocol/siprec/parse-metadata.ts'
import { PART_HEADERS_MAX } from '../../../../src/protocol/siprec/part-headers.ts'
import { SENDERS_MAX, SENT_STREAMS_MAX, StreamSenders } from '../../../../src/protocol/siprec/stream-senders.ts'

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index)

test('headers of a part beyond the limit are skipped, and its body is found all the same', () => {
  const headers = numbers(PART_HEADERS_MAX + 5).map((index) => `X-${index}: y\r\n`)
  const [part] = valueOf(
    splitBody('multipart/mixed;boundary=b', bytesOf(`--b\r\n${headers.join('')}\r\nbody\r\n--b--`)),
  )
  expect(part?.headers.size).toBe(PART_HEADERS_MAX)
  expect(new TextDecoder().decode(part?.body)).toBe('body')
})

test('a boundary longer than the limit is not looked for', () => {
  const body = (length: number): Uint8Array => bytesOf(`--${'x'.repeat(length)}\r\nContent-Type: a/b\r\n\r\nc`)
  expect(splitBody(`multipart/mixed;boundary=${'x'.repeat(BOUNDARY_LENGTH_MAX)}`, body(BOUNDARY_LENGTH_MAX)).ok).toBe(
    true,
  )
  const long = BOUNDARY_LENGTH_MAX + 1
  expect(splitBody(`multipart/mixed;boundary=${'x'.repeat(long)}`, body(long))).toMatchObject({ reason: 'noBoundary' })
})

test('delimiters and header parameters beyond the limits are ignored', () => {
  expect(findDelimiters('--b\r\n'.repeat(DELIMITERS_MAX + 1), 'b')).toHaveLength(DELIMITERS_MAX)
  const parameters = numbers(PARAMETERS_MAX + 1).map((index) => `;p${index}=1`)
  expect(parseParameterizedValue(`x/y${parameters.join('')}`).parameters.size).toBe(PARAMETERS_MAX)
})

test('streams and senders beyond the limits are not remembered', () => {
  const senders = new StreamSenders()
  const streamIds = numbers(SENT_STREAMS_MAX + 1).map((index) => `s${index}`)
  senders.mention({ participantId: 'p', sends: streamIds, receives: [] })
  expect(senders.streamIds).toHaveLength(SENT_STREAMS_MAX)
  expect(senders.lastOf([`s${SENT_STREAMS_MAX}`])).toEqual([])
  const many = numbers(SENDERS_MAX + 1).map((index) => ({ participantId: `p${index}`, sends: ['s0'], receives: [] }))
  for (const association of many) senders.mention(association)
  senders.update(many)
  expect(senders.lastOf(['s0'])).toHaveLength(SENDERS_MAX)
  expect(senders.everOf(['s0'])).toHaveLength(SENDERS_MAX)
})

test('media streams beyond the limit are left out and counted', () => {
  const state = new MetadataState()
  const batch = (from: number): Uint8Array =>
    bytesOf(
      `<recording><datamode>partial</datamode>${numbers(400)
        .map((index) => `<stream id="s${from + index}"/>`)
        .join('')}</recording>`,
    )
  state.apply(valueOf(parseMetadata(batch(0))))
  state.apply(valueOf(parseMetadata(batch(400))))
  expect(state.apply(valueOf(parseMetadata(batch(800)))).droppedCount).toBe(200)
  expect(state.mediaStreams).toHaveLength(KNOWN_OBJECTS_MAX)
})
