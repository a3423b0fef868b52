import { describe, expect, it } from 'vitest'
import { inventConversation } from '../../../../src/cli/simulate/conversation.ts'
import { completeMetadata, finalMetadata } from '../../../../src/cli/simulate/metadata.ts'
import { seededRandom } from '../../../../src/cli/simulate/random.ts'
import { parseMetadata } from '../../../../src/protocol/siprec/parse-metadata.ts'

const STARTED_AT = new Date('2026-11-23T12:00:00.000Z')
const conversation = inventConversation(seededRandom(1, 'test'), 3, STARTED_AT)

function parsed(bytes: Uint8Array) {
  const snapshot = parseMetadata(bytes)
  if (!snapshot.ok) throw new Error(snapshot.reason)
  return snapshot.value
}

describe('the metadata of a simulated recording session', () => {
  it('is one complete document with both people, both media streams and who sends what', () => {
    const snapshot = parsed(completeMetadata(conversation))
    const [caller, callee] = conversation.participants
    expect(snapshot.dataMode).toBe('complete')
    expect(snapshot.communicationSessions.map(({ csId }) => csId)).toEqual([conversation.csId])
    expect(snapshot.participants.map(({ participantId }) => participantId)).toEqual([
      caller?.participantId,
      callee?.participantId,
    ])
    expect(snapshot.participants.map(({ aors }) => aors[0]?.aor)).toEqual([caller?.aor, callee?.aor])
    expect(snapshot.mediaStreams.map(({ streamId, label }) => [streamId, label])).toEqual([
      [caller?.streamId, '1'],
      [callee?.streamId, '2'],
    ])
    expect(
      snapshot.associations.map(({ participantId, sends, receives }) => ({ participantId, sends, receives })),
    ).toEqual([
      { participantId: caller?.participantId, sends: [caller?.streamId], receives: [callee?.streamId] },
      { participantId: callee?.participantId, sends: [callee?.streamId], receives: [caller?.streamId] },
    ])
  })

  it('ends with a partial document that stops the communication session', () => {
    const snapshot = parsed(finalMetadata(conversation, '2026-11-23T12:00:10.000Z'))
    expect(snapshot.dataMode).toBe('partial')
    expect(snapshot.communicationSessions[0]?.csId).toBe(conversation.csId)
    expect(new TextDecoder().decode(finalMetadata(conversation, '2026-11-23T12:00:10.000Z'))).toContain(
      '<stop-time>2026-11-23T12:00:10.000Z</stop-time>',
    )
  })

  it('names invented people with reserved numbers and identifiers of sixteen octets', () => {
    for (const { aor, participantId, streamId } of conversation.participants) {
      expect(aor).toMatch(/^sip:\+155501\d\d@example\.com$/)
      expect(atob(participantId)).toHaveLength(16)
      expect(atob(streamId)).toHaveLength(16)
    }
  })

  it('escapes what XML would misread', () => {
    const [caller] = conversation.participants
    if (caller === undefined) throw new Error('no caller')
    const odd = { ...conversation, participants: [{ ...caller, name: 'A & B <"C">' }] }
    expect(new TextDecoder().decode(completeMetadata(odd))).toContain('A &amp; B &lt;&quot;C&quot;&gt;')
  })
})
