import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

import type { Config } from '../config/config.ts'
import { EarwitnessError, ExitCode } from '../errors.ts'
import type { VerifyKey } from '../evidence/signer-keys.ts'
import { isUuidV7, uuidV7 } from '../ids.ts'
import { HeldKeys } from '../server/recording/held-keys.ts'
import { loadSigner, loadVerifyKey, SIGNER_FILE } from '../server/storage/key-files.ts'
import { findRecordingPrefix } from '../server/storage/find-recording.ts'
import type { ObjectStore } from '../server/storage/object-store.ts'
import { openForCustody } from '../server/storage/open-store.ts'
import { keysOnTheirWay } from '../server/vault/keys-on-their-way.ts'
import { rotationIntents } from '../server/vault/left-keys.ts'
import { hasLedger, rotationLedger } from '../server/vault/rotation-ledger.ts'
import { RotatedMarks } from '../server/custody/rotated-marks.ts'
import { rotationPlace } from '../server/vault/rotation-place.ts'
import { LEFT_OUTCOMES, rotateKeys, type RotationOutcome, type RotationSummary } from '../server/vault/rotation-run.ts'
import {
  inAnyPlace,
  RecordingWalk,
  storedTenants,
  type LookedAt,
  type RecordingScope,
} from '../server/storage/recording-walk.ts'
import { flag, instantOption, textOptions, usageError } from './arguments.ts'
import type { Command, CommandContext } from './command.ts'
import { fetchKey } from './fetch-key.ts'
import { userName } from './note-access.ts'
import { writeJson, writeLines } from './output.ts'
import { rotationLines } from './rotation-report.ts'
import { rotationVaults } from './rotation-vaults.ts'
import { IDENTITY_WORDS } from './vault-identities.ts'

const PROGRESS_EVERY = 500

export const command: Command = {
  name: 'keys',
  summary: 'seals the keys of recordings to another vault; fetches public keys of services',
  usage:
    'keys rotate --identity OLDKEYFILE [--to RECIPIENT]... [--check-with NEWKEYFILE] (ID... | --all [--tenant NAME]... [--from DAY] [--until DAY]) [--key FILE]... [--dry-run] | keys fetch (aws-kms KEY | vault-transit NAME[:VERSION]) -o FILE',
  description:
    'Opens the sealed key of each recording with the old vault key, seals it to the new recipients and stores it beside the old one; audio is not touched. When the new key has been ' +
    'read back and the recorder of this machine has said in its ledger that it stands in the place of the old one, the old one is destroyed. So run it on the machine of a recorder, while that runs. ' +
    'With --check-with each new key is opened before anything is destroyed. Stopped anywhere, every recording opens with the old or the new vault key, and running it again goes on. ' +
    'A recording on legal hold keeps the old key too (held), and of one whose destruction was ordered nothing is stored (shredded). ' +
    'Keys of audio held until consent are not sealed anew: what has one that the old vault key opens is named (heldKey), and the old vault key is still needed. --all looks at every tenant and day of which the stores have something, and at what this machine has not stored yet; it says at what it looked. Exit code 0: of that nothing is left that the old vault key opens. 4: something is, and is named; run it again. ' +
    'Old and new vault may each be age keys or a key service (--identity, --to and --check-with take aws-kms and vault-transit). fetch asks the service for the public half of a key, ' +
    'writes it to FILE, which must not exist, and prints its fingerprint: the recorder seals to what is in that file.',
  examples: [
    'keys rotate --identity old.agekey --all --dry-run',
    'keys rotate --identity old.agekey --check-with new.agekey --all',
    'keys rotate --identity old.agekey --to age1… 01990000-0000-7000-8000-000000000000',
    'keys fetch aws-kms alias/recordings -o recordings.pub.pem',
    'keys rotate --identity old.agekey --check-with aws-kms --all',
  ],
  positionals: { min: 1, max: 10_000 },
  options: {
    identity: {
      type: 'string',
      placeholder: 'OLDKEYFILE',
      description: `private half of the vault key that is left, ${IDENTITY_WORDS}`,
    },
    to: {
      type: 'string',
      multiple: true,
      placeholder: 'RECIPIENT',
      description:
        'recipient of the new vault: age1…, or aws-kms or vault-transit for the keys of the configuration (default: all that the recorder seals to)',
    },
    'check-with': {
      type: 'string',
      placeholder: 'NEWKEYFILE',
      description: `private half of a key of the new vault, ${IDENTITY_WORDS}: open each new key before the old one is destroyed`,
    },
    output: {
      type: 'string',
      short: 'o',
      placeholder: 'FILE',
      description: 'of fetch: file for the public half; must not exist',
    },
    all: { type: 'boolean', description: 'all recordings of the store' },
    tenant: {
      type: 'string',
      multiple: true,
      placeholder: 'NAME',
      description: 'only this tenant (default: all of which a store has something)',
    },
    key: {
      type: 'string',
      multiple: true,
      placeholder: 'FILE',
      description: 'public key of another recorder whose decisions about recordings are trusted too',
    },
    from: { type: 'string', placeholder: 'DAY', description: 'with --all: only recordings of this day and later' },
    until: { type: 'string', placeholder: 'DAY', description: 'with --all: only recordings up to this day' },
    'dry-run': { type: 'boolean', description: 'only say what would be done' },
  },
  run: runKeys,
}

async function runKeys(context: CommandContext): Promise<ExitCode> {
  const [verb, ...operands] = context.args.positionals
  if (verb === 'rotate') return rotate(context, operands)
  if (verb === 'fetch') return fetchKey(context, operands)
  const hint = 'Write `earwitness keys rotate` or `earwitness keys fetch`; `earwitness keys --help` explains them.'
  throw usageError('keys-what', 'Keys can be rotated and fetched; nothing else is known.', hint)
}

async function rotate(context: CommandContext, ids: readonly string[]): Promise<ExitCode> {
  const { args, json, signal, stdout, stderr } = context
  const isDryRun = flag(args, 'dry-run')
  checkWhich(ids, flag(args, 'all'))
  const config = context.config()
  const vaults = await rotationVaults(context, config)
  if (!isDryRun && !(await hasLedger(config.dataDir))) throw withoutLedger()
  const scope = scopeOf(context)
  const trusted = await trustedKeys(context, config)
  const marks = new RotatedMarks(config.dataDir)
  if (!isDryRun) await marks.forgetOld(Date.now())
  const { places, close } = await openForCustody(config)
  try {
    const by = userName()
    const stores = places.map(({ store }) => store)
    const walk = new RecordingWalk(stores, scope)
    const chosen = new Set(ids)
    const waiting = await keysOnTheirWay(config.dataDir, scope)
    const onTheirWay = new Set([...waiting].filter((id) => chosen.size === 0 || chosen.has(id)))
    const tenants = async (): Promise<Iterable<string>> => scope.tenants ?? storedTenants(stores)
    const recordings = chosen.size > 0 ? named(inAnyPlace(stores), chosen, await tenants()) : walk.recordings()
    const summary = await rotateKeys(recordings, {
      ...{ places: places.map(rotationPlace), vaults, trusted, marks, isDryRun, signal },
      ...{ ledger: rotationLedger(config.dataDir), heldKeys: new HeldKeys(config), onTheirWay },
      intents: rotationIntents(config.dataDir),
      asked: () => ({ requestId: uuidV7(Date.now(), randomBytes(16)), by, at: new Date().toISOString() }),
      onProgress: (lookedAt, counts) => {
        if (lookedAt % PROGRESS_EVERY === 0)
          writeLines(stderr, [`${lookedAt} recordings: ${counts.rotated} rotated, ${counts.already} before`])
      },
    })
    const lookedAt: LookedAt | undefined = chosen.size > 0 ? undefined : walk.lookedAt
    if (json) writeJson(stdout, { ...summary, lookedAt })
    else writeLines(stdout, rotationLines(summary, lookedAt))
    return isDone(summary) ? ExitCode.done : ExitCode.partlyDone
  } finally {
    close()
  }
}

function scopeOf({ args }: CommandContext): RecordingScope {
  const tenants = textOptions(args, 'tenant')
  return {
    tenants: tenants.length > 0 ? new Set(tenants) : undefined,
    fromUnixMs: instantOption(args, 'from')?.getTime(),
    untilUnixMs: instantOption(args, 'until')?.getTime(),
  }
}

/** Who may have put a recording on hold, or ordered its destruction. On another machine than a recorder's only a dry run comes so far. */
async function trustedKeys({ args }: CommandContext, config: Config): Promise<readonly VerifyKey[]> {
  const others = await Promise.all(textOptions(args, 'key').map(loadVerifyKey))
  const file = config.signer.keyFile ?? join(config.dataDir, 'keys', SIGNER_FILE)
  if (flag(args, 'dry-run') && !existsSync(file)) return others
  return [(await loadSigner(file)).verifyKey, ...others]
}

function checkWhich(ids: readonly string[], isAll: boolean): void {
  if (isAll === ids.length > 0) {
    const sentence = isAll ? 'Both --all and ids were given.' : 'Neither --all nor the id of a recording was given.'
    throw usageError('keys-which', sentence, 'Give ids, or --all for all recordings of the store.')
  }
  const wrong = ids.find((id) => !isUuidV7(id))
  if (wrong !== undefined) {
    const hint = 'Copy an id from `earwitness recordings list`; it looks like 01990000-0000-7000-8000-000000000000.'
    throw usageError('recording-id-invalid', 'That is not the id of a recording.', hint)
  }
}

interface Found {
  readonly recordingId: string
  readonly objectPrefix: string
}

async function* named(
  store: Pick<ObjectStore, 'list'>,
  ids: ReadonlySet<string>,
  tenants: Iterable<string>,
): AsyncGenerator<Found> {
  for (const recordingId of ids) {
    const isThere = async (prefix: string): Promise<boolean> => (await store.list(`${prefix}/`)).length > 0
    yield { recordingId, objectPrefix: await findRecordingPrefix(recordingId, tenants, isThere) }
  }
}

function isDone({ counts, isCut, isDryRun }: RotationSummary): boolean {
  const left = Object.entries(counts).some(
    ([outcome, count]) => count > 0 && LEFT_OUTCOMES.has(outcome as RotationOutcome),
  )
  return !left && !isCut && !(isDryRun && counts.rotated > 0)
}

function withoutLedger(): EarwitnessError {
  return new EarwitnessError(
    'keys-without-ledger',
    'No recorder keeps a ledger on this machine, so nobody could say that keys were sealed anew, and it would look like tampering.',
    'Run this on the machine of a recorder, with its configuration, while it runs. --dry-run works anywhere.',
  )
}
