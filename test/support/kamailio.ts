import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { eventually } from './daemon.ts'
import { freeSipPort } from './free-ports.ts'
import { placeOfServer } from './unpacked-server.ts'

const CONFIG = join(import.meta.dirname, '..', '..', 'config', 'kamailio', 'kamailio.cfg')
const LOG_KEPT = 64 * 1024

export interface RunningKamailio {
  readonly port: number
  log(): string
  stop(): Promise<void>
}

/** Runs Kamailio on loopback with the shipped configuration, in front of recorders that listen on these TCP ports. */
export async function startKamailio(recorderPorts: readonly number[]): Promise<RunningKamailio> {
  const folder = await mkdtemp(join(tmpdir(), 'earwitness-kamailio-'))
  const list = join(folder, 'dispatcher.list')
  await writeFile(list, recorderPorts.map((port) => `1 sip:127.0.0.1:${port};transport=tcp 0 0\n`).join(''))
  const port = await freeSipPort()
  const addresses = ['udp', 'tcp'].flatMap((transport) => ['-l', `${transport}:127.0.0.1:${port}`])
  const memory = ['-m', '32', '-M', '4']
  const { root, libraries, env } = placeOfServer('kamailio', ['kamailio'])
  const modules = ['-L', join(libraries, 'kamailio', 'modules')]
  const args = [
    '-f',
    CONFIG,
    ...modules,
    '-A',
    `RECORDERS="${list}"`,
    ...addresses,
    ...memory,
    '-Y',
    folder,
    '-DD',
    '-E',
  ]
  const child = spawn(join(root, 'usr', 'sbin', 'kamailio'), args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exited = once(child, 'exit')
  let logged = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('latin1').on('data', (text: string) => {
      logged = (logged + text).slice(-LOG_KEPT)
    })
  }
  await eventually('Kamailio listening', async () => {
    if (child.exitCode !== null) throw new Error(`Kamailio ended with ${child.exitCode}: ${logged}`)
    return logged.includes('Listening on') ? true : undefined
  })
  return {
    port,
    log: () => logged,
    stop: async () => {
      await stop(child, exited)
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function stop(child: ChildProcess, exited: Promise<unknown>): Promise<void> {
  if (child.exitCode !== null) return
  child.kill('SIGTERM')
  await exited
}
