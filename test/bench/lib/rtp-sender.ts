import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'

import type { SrtpKeys } from '../../../src/protocol/srtp/srtp-keys.ts'
import { SrtpSender } from '../../../src/protocol/srtp/srtp-sender.ts'
import { conversation, packetsOf, PACKETS_PER_SECOND, type TalkPattern } from './conversation.ts'

/** What is sent: the same packets to every session, so that sending costs nothing but sending. */
export interface RtpMaterial {
  readonly packetLength: number
  readonly packets: number
  /** Of the first and the second media stream. */
  readonly files: readonly string[]
}

export interface SendReport {
  readonly sent: number
  /** How late the latest packet left. */
  readonly lateUs: number
  /** When the first left, Unix milliseconds: the sender itself takes a while to begin. */
  readonly fromUnixMs: number
}

/** Compiles the sender into `folder`; rejects without a C compiler. */
export async function buildSender(folder: string): Promise<string> {
  const program = join(folder, 'rtp-sender')
  await promisify(execFile)('cc', ['-O2', '-o', program, join(import.meta.dirname, 'rtp-sender.c')])
  return program
}

/** Writes the packets of a conversation; with `keys`, as SRTP. */
export async function writeMaterial(
  folder: string,
  options: { readonly pattern: TalkPattern; readonly seconds: number; readonly keys?: SrtpKeys },
): Promise<RtpMaterial> {
  const { pattern, seconds, keys } = options
  const files: string[] = []
  let packetLength = 0
  for (const [index, samples] of (await conversation(pattern, seconds)).entries()) {
    const clear = packetsOf(samples, 1_000 + index)
    const sender = keys === undefined ? undefined : new SrtpSender(keys)
    const packets = clear.map((packet) => sender?.protectRtp(packet) ?? packet)
    packetLength = packets[0]?.length ?? 0
    const file = join(folder, `${pattern}-${seconds}-${keys?.suite ?? 'clear'}-${index}.rtp`)
    await writeFile(file, Buffer.concat(packets))
    files.push(file)
  }
  return { packetLength, packets: seconds * PACKETS_PER_SECOND, files }
}

/** Sends to `ports`, from `localPort`, `localPort + 2` and so on; resolves when everything has left. On `core` only, when given. */
export async function sendRtp(
  program: string,
  material: RtpMaterial,
  { ports, localPort, core }: { readonly ports: readonly number[]; readonly localPort: number; readonly core?: number },
): Promise<SendReport> {
  const { packetLength, packets, files } = material
  const command = [program, String(packetLength), String(packets), String(localPort), ...files]
  const pinned = core === undefined ? command : ['taskset', '-c', String(core), ...command]
  const child = spawn(pinned[0] ?? program, pinned.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] })
  // One that cannot bind its ports ends before it has read them all; its exit code says so below.
  child.stdin.on('error', () => {})
  child.stdin.end(ports.map((port) => `${port}\n`).join(''))
  const [printed, [code]] = await Promise.all([text(child.stdout), once(child, 'exit') as Promise<[number | null]>])
  if (code !== 0) throw new Error(`the sender ended with ${code ?? 'a signal'}`)
  return JSON.parse(printed) as SendReport
}
