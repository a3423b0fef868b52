import type { WitnessEvent } from '../../server/witness/witness.ts'

/** Anybody may post garbage: of each kind of event one line is printed in so long, with how many were not. */
export const SAID_EVERY_MS = 60_000

const EVENTS: Readonly<Partial<Record<WitnessEvent, string>>> = {
  refused: 'not signed under: nobody of --key has signed it, another of them began it, or there are too many ledgers.',
  busy: 'not looked at: too many requests wait; the recorder asks again with its next checkpoint.',
  forked:
    'NOT SIGNED UNDER: it has signed another checkpoint of the same size. Somebody changed it; keep the two files that end with .seen and .shown, which prove it.',
  notProven:
    'NOT SIGNED UNDER: no proof that it goes on from what this witness has seen. That is a suspicion: if it was its recorder that asked, somebody changed it; keep the files that end with .seen and .shown.',
}

/** What a witness prints of what it did not sign under. */
export function eventLines(
  print: (line: string) => void,
  nowUnixMs: () => number,
): (event: WitnessEvent, logId: string) => void {
  const say = rarely(print, nowUnixMs)
  return (event, logId) => {
    const sentence = EVENTS[event]
    if (sentence !== undefined) say(event, `ledger ${logId}: ${sentence}`)
  }
}

/** Prints of each kind a line every {@link SAID_EVERY_MS}. */
export function rarely(
  print: (line: string) => void,
  nowUnixMs: () => number,
): (kind: WitnessEvent | 'error', line: string) => void {
  const said = new Map<string, { atUnixMs: number; unsaid: number }>()
  return (kind, line) => {
    const last = said.get(kind)
    const ageMs = last === undefined ? Infinity : nowUnixMs() - last.atUnixMs
    // A clock that went back must not silence it.
    if (last !== undefined && ageMs >= 0 && ageMs < SAID_EVERY_MS) {
      last.unsaid += 1
      return
    }
    print(
      last === undefined || last.unsaid === 0 ? line : `${line} (${last.unsaid} more of this kind since the last line)`,
    )
    said.set(kind, { atUnixMs: nowUnixMs(), unsaid: 0 })
  }
}
