import { join } from 'node:path'

import type { Config, ReplicaConfig } from '../../config/config.ts'
import { EarwitnessError } from '../../errors.ts'
import { isRefused } from '../spool/object-files.ts'
import { objectsFolder } from '../spool/spool.ts'
import { SIGNER_FILE } from '../storage/key-files.ts'
import { replicaFolder, storageFolder } from '../storage/open-store.ts'
import { CLOCK_OFFSET_GOOD_MS, type S3Report } from '../storage/s3/s3-report.ts'
import { checkDatabase } from './database-checks.ts'
import { fail, ok, warn, type Finding } from './finding.ts'
import type { Probes } from './probes.ts'
import { checkVault } from './vault-checks.ts'

/** What a full disk leaves no time to react to: a day of some hundred recording sessions. */
export const FREE_BYTES_GOOD = 20 * 1024 ** 3
/** Less, and what is being recorded may not find room any more. */
export const FREE_BYTES_LEAST = 512 * 1024 ** 2
const OTHERS_MASK = 0o077

/** What keeps recordings, and what makes them evidence. */
export const KEEPING_CHECKS = [
  checkDataDir,
  checkSpool,
  checkStorage,
  checkDatabase,
  checkVault,
  checkSigner,
  checkClock,
]

export async function checkDataDir(config: Config, probes: Probes): Promise<Finding> {
  return checkFolder(probes, { check: 'data', folder: config.dataDir, key: 'dataDir' })
}

/** Where less is free than is to stay free, a recorder refuses everybody from its start on. */
export async function checkSpool(config: Config, probes: Probes): Promise<readonly Finding[]> {
  const { freeBytesMin } = config.spool
  const free = await probes.freeBytes(config.dataDir)
  const putAside = await checkRefused(config, probes)
  if (free === undefined || free >= freeBytesMin) return putAside
  const sentence = `${gib(free)} are free on the volume of ${config.dataDir}, less than spool.minFree: every recording session would get 503.`
  const hint = 'Make room there, move dataDir to a larger volume, or lower spool.minFree.'
  return [fail('spool', sentence, hint), ...putAside]
}

/** What the store refused for good is on this disk alone. */
async function checkRefused({ dataDir }: Config, probes: Probes): Promise<readonly Finding[]> {
  const folder = objectsFolder(dataDir)
  const count = (await probes.names(folder)).filter(isRefused).length
  if (count === 0) return []
  const sentence = `${count} objects that the store refused for good are in ${folder} alone (.refused-…).`
  const hint =
    'Compare each with what the store has under its key (~ for /), find out who wrote that, and move the file away.'
  return [warn('spool-refused', sentence, hint)]
}

export async function checkStorage(config: Config, probes: Probes): Promise<readonly Finding[]> {
  const { s3, replica } = config.storage
  const findings =
    s3 === undefined
      ? [await checkFolder(probes, { check: 'storage', folder: storageFolder(config), key: 'storage.folder.path' })]
      : bucketFindings(s3.bucket, await probes.bucket(s3), { check: 'storage', key: 'storage.s3' })
  return replica === undefined ? findings : [...findings, ...(await checkReplica(replica, probes))]
}

async function checkReplica(replica: ReplicaConfig, probes: Probes): Promise<readonly Finding[]> {
  const { s3 } = replica
  if (s3 === undefined) {
    const named = { check: 'storage-replica', key: 'storage.replica.folder.path' }
    return [await checkFolder(probes, { ...named, folder: replicaFolder(replica) })]
  }
  return bucketFindings(s3.bucket, await probes.bucket(s3), { check: 'storage-replica', key: 'storage.replica.s3' })
}

function bucketFindings(
  bucket: string,
  found: S3Report | EarwitnessError,
  { check, key }: { readonly check: string; readonly key: string },
): readonly Finding[] {
  if (found instanceof EarwitnessError) return [fail(check, found.message, found.hint.replaceAll('storage.s3', key))]
  const findings = [ok(check, `The bucket ${bucket} takes objects and gives them back.`)]
  if (found.condition !== 'honoured') {
    findings.push(
      warn(
        `${check}-condition`,
        `The S3 server does not honour If-None-Match (${found.condition}): two writers could replace each other's objects.`,
        'The recorder asks first whether an object is there. Let no two recorders share a prefix; versions or Object Lock keep what is replaced.',
      ),
    )
  }
  if (found.objectLock === 'enforced') findings.push(ok(`${check}-lock`, 'Object Lock is enforced.'))
  if (found.objectLock === 'ignored') {
    const hint = `Do not count on it: use a server that enforces Object Lock, or set ${key}.objectLock.mode to none.`
    const sentence = 'The S3 server accepts Object Lock and does not enforce it: a locked object could be destroyed.'
    findings.push(fail(`${check}-lock`, sentence, hint))
  }
  if (Math.abs(found.clockOffsetMs) > CLOCK_OFFSET_GOOD_MS) {
    const seconds = Math.round(found.clockOffsetMs / 1_000)
    const sentence = `The clock of the S3 server differs from that of this machine by ${seconds} s.`
    findings.push(warn(`${check}-clock`, sentence, 'Set both by NTP; at fifteen minutes many servers refuse requests.'))
  }
  return findings
}

export async function checkSigner(config: Config, probes: Probes): Promise<Finding> {
  const file = config.signer.keyFile ?? join(config.dataDir, 'keys', SIGNER_FILE)
  const mode = await probes.fileMode(file)
  if (mode === undefined) {
    if (config.signer.keyFile === undefined) return ok('signer', 'A signing key is made at the first start.')
    return fail('signer', `There is no signing key ${file}.`, 'Check signer.keyFile.')
  }
  const pem = await probes.readText(file)
  if (pem === undefined) {
    return fail(
      'signer',
      `The signing key cannot be read: ${file}`,
      'Give the user of the recorder permission to read it.',
    )
  }
  const problem = await probes.signerProblem(pem)
  if (problem !== undefined) {
    const hint = '`openssl genpkey -algorithm ed25519` writes one. Do not replace a key that has signed recordings.'
    return fail('signer', `This is no private Ed25519 key (${problem}): ${file}`, hint)
  }
  if ((mode & OTHERS_MASK) === 0) return ok('signer', 'The signing key is readable by its owner only.')
  return warn('signer', `Others than its owner may read the signing key ${file}.`, `chmod 600 ${file}`)
}

/** Times in manifests are those of this machine; a court asks how right they are. */
export async function checkClock(_config: Config, probes: Probes): Promise<Finding> {
  const state = await clockState(probes)
  const hint = 'Install chrony or systemd-timesyncd (Debian: apt-get install chrony) and see that it reaches a server.'
  if (state === 'yes') return ok('clock', 'The clock is synchronised.')
  if (state === 'no') return warn('clock', 'The clock is not synchronised: the times of recordings may be wrong.', hint)
  return warn('clock', 'Nothing on this machine says whether its clock is synchronised.', hint)
}

/** Without privileges only the programs that keep the time can be asked, or those that ask them. */
async function clockState(probes: Probes): Promise<'yes' | 'no' | undefined> {
  if ((await probes.fileMode('/run/systemd/timesync/synchronized')) !== undefined) return 'yes'
  const chrony = await probes.output('chronyc', ['-c', 'tracking'])
  // The last field is the leap status.
  if (chrony !== undefined) return /,(?:Normal|Insert second|Delete second)\s*$/u.test(chrony) ? 'yes' : 'no'
  const systemd = (await probes.output('timedatectl', ['show', '--property=NTPSynchronized', '--value']))?.trim()
  return systemd === 'yes' || systemd === 'no' ? systemd : undefined
}

async function checkFolder(
  probes: Probes,
  { check, folder, key }: { readonly check: string; readonly folder: string; readonly key: string },
): Promise<Finding> {
  const code = await probes.write(folder)
  if (code !== undefined) {
    const hint = `Check ${key}: the folder, or the one it would be made in, must be writable by the user that runs the recorder.`
    return fail(check, `Nothing can be written to ${folder} (${code}).`, hint)
  }
  const free = await probes.freeBytes(folder)
  const hint = 'A two-party recording takes about 20 MB an hour. Make room, or put it on a larger disk.'
  if (free === undefined) return warn(check, `${folder} is writable; how much room there is cannot be read.`, hint)
  const sentence = `${folder} is writable, with ${gib(free)} free`
  if (free < FREE_BYTES_LEAST) return fail(check, `${sentence}: too little to record.`, hint)
  return free < FREE_BYTES_GOOD ? warn(check, `${sentence}.`, hint) : ok(check, `${sentence}.`)
}

function gib(bytes: number): string {
  return `${(bytes / 1024 ** 3).toFixed(1)} GiB`
}
