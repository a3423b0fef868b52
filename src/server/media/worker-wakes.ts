/**
 * Does `work` every `everyMs`, behind the poll phase of the event loop: packets that wait in the sockets are read first. It is told a time before that: what comes
 * while they are read, and while the thread waits for a processor, may be in the sockets still.
 *
 * @returns what ends it
 */
export function runWakes(everyMs: number, nowUs: () => number, work: (readUs: number) => void): () => void {
  const wake = setInterval(() => setImmediate(work, nowUs()), everyMs)
  return () => clearInterval(wake)
}
