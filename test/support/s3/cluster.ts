import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdirSync, openSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { placeOfServer } from '../unpacked-server.ts'
import { setTimeout as sleep } from 'node:timers/promises'

import { freeTcpPort } from '../free-ports.ts'
import type { S3Server } from './s3-server.ts'

const POLL_MS = 50
const START_WAIT_MS = 60_000
const USER = { accessKeyId: 'earwitness-test', secretAccessKey: 'not-a-secret-of-anybody' }
const KMS_KEY_ID = 'earwitness-test-key'

interface Ports {
  readonly monitor: number
  readonly osd: number
  readonly http: number
  readonly https: number
}

/** What one cluster is made of: its folder, its programs with their libraries, its daemons. */
interface Place {
  readonly folder: string
  readonly programs: string
  readonly libraries: string
  readonly env: NodeJS.ProcessEnv
  readonly children: ChildProcess[]
}

/**
 * Starts Ceph with one monitor, one OSD that keeps everything in memory, and the S3 gateway, without root and without a
 * file outside `folder`. Undefined when it does not come up.
 */
export async function startCluster(
  folder: string,
): Promise<{ readonly server: S3Server; readonly stop: () => Promise<void> } | undefined> {
  mkdirSync(folder, { recursive: true })
  const place = placeOf(folder)
  const [monitor, osd, http, https] = [
    await freeTcpPort(),
    await freeTcpPort(),
    await freeTcpPort(),
    await freeTcpPort(),
  ]
  const ports = { monitor, osd: Math.min(osd, 65_000), http, https }
  const stop = async (): Promise<void> => {
    await Promise.all(place.children.map(kill))
  }
  try {
    makeCertificates(folder)
    writeFileSync(join(folder, 'ceph.conf'), configuration(place, ports))
    makeMonitor(place, ports)
    launch(place, 'ceph-mon', '-i', 'a')
    run(place, 'ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', randomUUID())
    launch(place, 'ceph-osd', '-i', '0')
    const { accessKeyId, secretAccessKey } = USER
    const keys = ['--access-key', accessKeyId, '--secret-key', secretAccessKey]
    // waits until monitor and OSD have met
    run(place, 'radosgw-admin', '-n', 'client.admin', 'user', 'create', '--uid=test', '--display-name=test', ...keys)
    launch(place, 'radosgw', '-n', 'client.admin')
    await untilListening(place, http)
  } catch (error) {
    process.stderr.write(`${String(error)}\n`)
    await stop()
    return undefined
  }
  const server = {
    ...{ endpoint: `http://127.0.0.1:${http}`, tlsEndpoint: `https://localhost:${https}` },
    ...{ caFile: join(folder, 'ca.pem'), ...USER, kmsKeyId: KMS_KEY_ID },
  }
  return { server, stop }
}

function placeOf(folder: string): Place {
  const { root, libraries, env: found } = placeOfServer('ceph', ['ceph'])
  const env = { ...process.env, CEPH_CONF: join(folder, 'ceph.conf'), ...found }
  return { folder, programs: join(root, 'usr', 'bin'), libraries, env, children: [] }
}

function configuration({ folder, libraries }: Place, ports: Ports): string {
  return `[global]
fsid = ${randomUUID()}
mon host = [v2:127.0.0.1:${ports.monitor}/0]
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind port min = ${ports.osd}
ms bind port max = ${ports.osd + 500}
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
run dir = ${folder}
crash dir = ${folder}
admin socket =
log file =
log to stderr = true
pid file =
keyring = ${join(folder, 'keyring')}
erasure code dir = ${join(libraries, 'ceph', 'erasure-code')}
osd class dir = ${join(libraries, 'rados-classes')}
plugin dir = ${join(libraries, 'ceph')}
paxos propose interval = 0.05
paxos min wait = 0.02
mon data = ${join(folder, 'mon')}
mon data avail warn = 0
mon data avail crit = 0
mon allow pool size one = true
mon max pg per osd = 1000
osd data = ${join(folder, 'osd')}
osd objectstore = memstore
memstore device bytes = 2147483648
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd op num shards = 1
osd op num threads per shard = 2
ms async op threads = 2
rgw data = ${join(folder, 'rgw')}
rgw frontends = beast endpoint=127.0.0.1:${ports.http} ssl_endpoint=127.0.0.1:${ports.https} ssl_certificate=${join(folder, 'server.pem')} ssl_private_key=${join(folder, 'server.key')}
rgw thread pool size = 32
rgw enable gc threads = false
rgw crypt require ssl = false
rgw crypt s3 kms backend = testing
rgw crypt s3 kms encryption keys = ${KMS_KEY_ID}=${randomBytes(32).toString('base64')}
`
}

/** The maps and keys a monitor begins with; with the OSD in them already, no client has to add it. */
function makeMonitor(place: Place, ports: Ports): void {
  const at = (name: string): string => join(place.folder, name)
  const [keyring, monmap, osdmap] = [at('keyring'), at('monmap'), at('osdmap')]
  const all = 'allow *'
  run(place, 'ceph-authtool', '--create-keyring', keyring, '--gen-key', '-n', 'mon.', '--cap', 'mon', all)
  const client = ['--cap', 'mon', all, '--cap', 'osd', all]
  run(place, 'ceph-authtool', keyring, '--gen-key', '-n', 'client.admin', ...client)
  const osd = ['--cap', 'mon', 'allow profile osd', '--cap', 'osd', all]
  run(place, 'ceph-authtool', keyring, '--gen-key', '-n', 'osd.0', ...osd)
  const address = `[v2:127.0.0.1:${ports.monitor}/0]`
  run(place, 'monmaptool', '--create', '--addv', 'a', address, monmap)
  run(place, 'osdmaptool', '--createsimple', '1', osdmap)
  mkdirSync(at('mon'))
  mkdirSync(at('osd'))
  run(place, 'ceph-mon', '--mkfs', '-i', 'a', '--monmap', monmap, '--osdmap', osdmap, '--keyring', keyring)
}

function run({ programs, env }: Place, program: string, ...args: readonly string[]): void {
  execFileSync(join(programs, program), args, { env, stdio: ['ignore', 'ignore', 'inherit'], timeout: START_WAIT_MS })
}

function launch(place: Place, program: string, ...args: readonly string[]): void {
  const log = openSync(join(place.folder, `${program}.log`), 'a')
  const child = spawn(join(place.programs, program), ['-f', ...args], { env: place.env, stdio: ['ignore', log, log] })
  child.on('error', (error) => process.stderr.write(`${String(error)}\n`))
  place.children.push(child)
}

async function untilListening({ children }: Place, port: number): Promise<void> {
  for (let waitedMs = 0; waitedMs < START_WAIT_MS; waitedMs += POLL_MS) {
    if (children.some((child) => child.exitCode !== null || child.signalCode !== null)) break
    if (await accepts(port)) return
    await sleep(POLL_MS)
  }
  throw new Error('the gateway does not listen')
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const connected = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
  })
  socket.destroy()
  return connected
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  // Nothing of it is kept, so nothing needs to be put in order.
  child.kill('SIGKILL')
  await gone
}

function makeCertificates(folder: string): void {
  const certify = (name: string, signer: readonly string[]): void => {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${name}.key`]
    const subject = ['-subj', `/CN=${name}`, '-days', '2', '-out', `${name}.pem`]
    execFileSync('openssl', ['req', '-x509', ...key, ...subject, ...signer], { cwd: folder, stdio: 'pipe' })
  }
  certify('ca', [])
  const names = ['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-addext', 'basicConstraints=CA:FALSE']
  certify('server', ['-CA', 'ca.pem', '-CAkey', 'ca.key', ...names])
}
