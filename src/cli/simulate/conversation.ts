import { Buffer } from 'node:buffer'

import type { InventedConversation } from './metadata.ts'
import { randomBytes, randomToken } from './random.ts'
import type { Random } from './random.ts'

// Two lists of equal length and invented people: caller and callee of one conversation never share a name.
const CALLER_NAMES = [
  'Ada Marsh',
  'Bruno Keller',
  'Chika Obi',
  'Dana Novak',
  'Emil Strand',
  'Fay Winter',
  'Goran Babic',
  'Hana Sato',
]
const CALLEE_NAMES = [
  'Iris Vance',
  'Jonas Peel',
  'Kavya Rao',
  'Luca Ferri',
  'Mara Olsen',
  'Noor Haddad',
  'Otto Brandt',
  'Pia Lund',
]

/** The two media streams of every simulated recording session, in the order of their m-lines. */
export const STREAM_LABELS = ['1', '2'] as const

/**
 * Two invented people with reserved numbers (+1 555 01xx) and fresh identifiers.
 *
 * @param sequence counts the recording sessions of a run; it picks names and numbers, so that a search finds some of them
 */
export function inventConversation(random: Random, sequence: number, startedAt: Date): InventedConversation {
  const identifier = (): string => Buffer.from(randomBytes(random, 16)).toString('base64')
  const names = [nameAt(CALLER_NAMES, sequence), nameAt(CALLEE_NAMES, sequence)]
  const participants = STREAM_LABELS.map((streamLabel, index) => ({
    participantId: identifier(),
    aor: `sip:+155501${String((sequence * 2 + index) % 100).padStart(2, '0')}@example.com`,
    name: names[index] ?? '',
    streamId: identifier(),
    streamLabel,
  }))
  return {
    csGroupId: identifier(),
    csId: identifier(),
    sipSessionId: randomToken(random, 32),
    startTime: startedAt.toISOString(),
    participants,
  }
}

function nameAt(names: readonly string[], sequence: number): string {
  return names[sequence % names.length] ?? ''
}
