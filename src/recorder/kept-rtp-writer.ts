import type { KeptEntry } from '../evidence/manifest.ts'
import { keptName } from '../evidence/object-names.ts'
import { nextRunningHash, RUNNING_HASH_START } from '../evidence/running-hash.ts'
import { sha256Hex } from '../evidence/sha256.ts'
import { heldMember, sealFor } from './held-span.ts'
import { KeptRunWriter, type KeptPacket } from './kept-run.ts'
import type { Sealing } from './live-monitor.ts'
import type { KeptRun } from './recording-types.ts'

/** A copy of packets that are decoded too goes to the spool in stretches of about a second: their audio is there already. 48 kHz samples. */
const COPY_FRAME_SAMPLES = 43_200

/**
 * Gathers packets of codecs that are not decoded, by stream, and seals them as RTP objects of one recording. FORMAT.md 3.1
 *
 * Holds at most `KEPT_BYTES_MAX` for each stream, and what is not in a frame of the spool yet a second time.
 */
export class KeptRtpWriter {
  readonly entries: KeptEntry[] = []
  readonly #sealing: Sealing
  readonly #originUnixMs: () => number
  readonly #pending = new Map<string, KeptRunWriter>()
  readonly #frames = new Map<string, KeptRunWriter>()
  #runningHash = RUNNING_HASH_START
  #endSample = 0

  /** @param originUnixMs wall clock at sample 0; asked for when an object is sealed */
  constructor(sealing: Sealing, originUnixMs: () => number) {
    this.#sealing = sealing
    this.#originUnixMs = originUnixMs
  }

  /** Where the packets taken so far end, of whatever stream; 48 kHz samples. */
  get endSample(): number {
    return this.#endSample
  }

  /** Takes the next packet of a stream, in the order of its timeline. */
  append(packet: KeptPacket): void {
    const before = this.#pending.get(packet.streamId)
    if (before?.isFullFor(packet) === true || this.#isBehindHeld(before, packet)) {
      this.#sealOne(packet.streamId, before)
    }
    this.#endSample = Math.max(this.#endSample, packet.toSample)
    runOf(this.#pending, packet).append(packet)
    if (this.#sealing.sink.handleFrame !== undefined) runOf(this.#frames, packet).append(packet)
  }

  /** Seals what is new of every stream as frames for the spool. */
  sealFrames(): void {
    for (const [streamId, frame] of this.#frames) {
      if (frame.hasUndecoded || frame.samples >= COPY_FRAME_SAMPLES) this.#sealFrame(streamId, frame)
    }
  }

  /** Seals what there is of every stream. */
  seal(): void {
    for (const [streamId, pending] of this.#pending) this.#sealOne(streamId, pending)
  }

  /** What was gathered is held until consent, and this packet is not. */
  #isBehindHeld(before: KeptRunWriter | undefined, { fromSample }: KeptPacket): before is KeptRunWriter {
    const { held } = this.#sealing
    return before !== undefined && held?.holds(before.fromSample) === true && !held.holds(fromSample)
  }

  #sealFrame(streamId: string, frame: KeptRunWriter): void {
    this.#frames.delete(streamId)
    this.#sealing.sink.handleFrame?.({ kind: 'kept', run: this.#runOf(frame), bytes: this.#sealed(frame) })
  }

  #sealOne(streamId: string, pending: KeptRunWriter): void {
    const frame = this.#frames.get(streamId)
    if (frame !== undefined) this.#sealFrame(streamId, frame)
    this.#pending.delete(streamId)
    const sealed = this.#sealed(pending)
    const sha256 = sha256Hex(sealed)
    this.#runningHash = nextRunningHash('rtp', this.#runningHash, sha256)
    const keptSeq = this.entries.length
    const kept: KeptEntry = {
      ...{ keptSeq, name: keptName(keptSeq), sha256, sizeBytes: sealed.length },
      ...this.#runOf(pending),
      runningHash: this.#runningHash,
    }
    this.entries.push(kept)
    this.#sealing.sink.handleSealed({ kind: 'kept', name: kept.name, bytes: sealed, kept })
  }

  #runOf({ run }: KeptRunWriter): KeptRun {
    return { ...run, ...heldMember(this.#sealing, run.fromSample) }
  }

  #sealed(run: KeptRunWriter): Uint8Array {
    const sealed = sealFor(this.#sealing, run.fromSample, run.plaintext(this.#originUnixMs()))
    run.wipe()
    return sealed
  }
}

function runOf(runs: Map<string, KeptRunWriter>, packet: KeptPacket): KeptRunWriter {
  const known = runs.get(packet.streamId)
  if (known !== undefined) return known
  const run = new KeptRunWriter(packet)
  runs.set(packet.streamId, run)
  return run
}
