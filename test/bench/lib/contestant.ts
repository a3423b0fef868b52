/** One program that records RTP, as the benchmark sees it. */
export interface Contestant {
  readonly name: string
  /** Opens so many more sessions of two PCMU streams. The ports to send to, stream by stream; stream n comes from `localPort + 2 n`. */
  open(sessions: number, localPort: number): Promise<readonly number[]>
  /** The process whose CPU time and memory count, with all that it starts; several where each session is a process. */
  readonly pids: readonly number[]
  /** After the last packet: how many of `sent` it does not have. */
  countLost(sent: number): Promise<number>
  /** Ends all sessions; the seconds that its recordings lack, of all streams together. Only who accounts for them knows. */
  readonly endWithGaps?: () => Promise<number>
  close(): Promise<void>
}
