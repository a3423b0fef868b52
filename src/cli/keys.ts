import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

import type { Config } from '../config/config.ts'
import { EarwitnessError, ExitCode } from '../errors.ts'
import { parseRecipient, recipientOfIdentity } from '../evidence/age-keys.ts'
import { RECIPIENTS_MAX } from '../evidence/age-seal.ts'
import type { VerifyKey } from '../evidence/signer-keys.ts'
import { isUuidV7, uuidV7 } from '../ids.ts'
import { HeldKeys } from '../server/recording/held-keys.ts'
import { loadIdentities, loadSigner, loadVerifyKey, SIGNER_FILE } from '../server/storage/key-files.ts'
import { findRecordingPrefix } from '../server/storage/find-recording.ts'
import type { ObjectStore } from '../server/storage/object-store.ts'
import { openForCustody } from '../server/storage/open-store.ts'
import { keysOnTheirWay } from '../server/vault/keys-on-their-way.ts'
import { rotationIntents } from '../server/vault/left-keys.ts'
import type { Vaults } from '../server/vault/rotate-key.ts'
import { hasLedger, rotationLedger } from '../server/vault/rotation-ledger.ts'
import { RotatedMarks } from '../server/custody/rotated-marks.ts'
import { rotationPlace } from '../server/vault/rotation-place.ts'
import { LEFT_OUTCOMES, rotateKeys, type RotationOutcome, type RotationSummary } from '../server/vault/rotation-run.ts'
import {
  inAnyPlace,
  RotationWalk,
  storedTenants,
  type LookedAt,
  type RotationScope,
} from '../server/vault/rotation-scope.ts'
import { flag, instantOption, textOption, textOptions, usageError } from './arguments.ts'
import type { Command, CommandContext } from './command.ts'
import { userName } from './note-access.ts'
import { writeJson, writeLines } from './output.ts'
import { rotationLines } from './rotation-report.ts'

const PROGRESS_EVERY = 500

export const command: Command = {
  name: 'keys',
  summary: 'seals the keys of recordings to another vault, when its key is rotated',
  usage:
    'keys rotate --identity OLDKEYFILE [--to RECIPIENT]... [--check-with NEWKEYFILE] (ID... | --all [--tenant NAME]... [--from DAY] [--until DAY]) [--key FILE]... [--dry-run]',
  description:
    'Opens the sealed key of each recording with the old vault key, seals it to the new recipients and stores it beside the old one; audio is not touched. When the new key has been ' +
    'read back and the recorder of this machine has said in its ledger that it stands in the place of the old one, the old one is destroyed. So run it on the machine of a recorder, while that runs. ' +
    'With --check-with each new key is opened before anything is destroyed. Stopped anywhere, every recording opens with the old or the new vault key, and running it again goes on. ' +
    'A recording on legal hold keeps the old key too (held), and of one whose destruction was ordered nothing is stored (shredded). ' +
    'Keys of audio held until consent are not sealed anew: what has one that the old vault key opens is named (heldKey), and the old vault key is still needed. --all looks at every tenant and day of which the stores have something, and at what this machine has not stored yet; it says at what it looked. Exit code 0: of that nothing is left that the old vault key opens. 4: something is, and is named; run it again.',
  examples: [
    'keys rotate --identity old.agekey --all --dry-run',
    'keys rotate --identity old.agekey --check-with new.agekey --all',
    'keys rotate --identity old.agekey --to age1… 01990000-0000-7000-8000-000000000000',
  ],
  positionals: { min: 1, max: 10_000 },
  options: {
    identity: { type: 'string', placeholder: 'OLDKEYFILE', description: 'private half of the vault key that is left' },
    to: {
      type: 'string',
      multiple: true,
      placeholder: 'RECIPIENT',
      description: 'recipient of the new vault (default: vault.recipients)',
    },
    'check-with': {
      type: 'string',
      placeholder: 'NEWKEYFILE',
      description: 'private half of a key of the new vault: open each new key before the old one is destroyed',
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
  const { args, json, signal, stdout, stderr } = context
  const [verb, ...ids] = args.positionals
  if (verb !== 'rotate') {
    const hint = 'Write `earwitness keys rotate`; `earwitness keys --help` explains it.'
    throw usageError('keys-what', 'Keys can be rotated; nothing else is known.', hint)
  }
  const isDryRun = flag(args, 'dry-run')
  checkWhich(ids, flag(args, 'all'))
  const config = context.config()
  const vaults = await vaultsOf(context, config)
  if (!isDryRun && !(await hasLedger(config.dataDir))) throw withoutLedger()
  const scope = scopeOf(context)
  const trusted = await trustedKeys(context, config)
  const marks = new RotatedMarks(config.dataDir)
  if (!isDryRun) await marks.forgetOld(Date.now())
  const { places, close } = await openForCustody(config)
  try {
    const by = userName()
    const stores = places.map(({ store }) => store)
    const walk = new RotationWalk(stores, scope)
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

function scopeOf({ args }: CommandContext): RotationScope {
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

/** @throws EarwitnessError `usage-no-identity`, `keys-recipients`, `vault-recipient-invalid`, `keys-same-vault`, `identity-wrong` */
async function vaultsOf({ args }: CommandContext, config: Config): Promise<Vaults> {
  const file = textOption(args, 'identity')
  if (file === undefined) {
    const sentence = 'The key of the vault that is left was not given.'
    throw usageError('usage-no-identity', sentence, 'Add --identity OLDKEYFILE: it opens what is to be sealed anew.')
  }
  const asked = textOptions(args, 'to')
  const newRecipients = [...new Set(asked.length > 0 ? asked : config.vault.recipients)]
  if (newRecipients.length === 0 || newRecipients.length > RECIPIENTS_MAX) {
    const hint = 'Put the recipients of the new vault into vault.recipients, or give each with --to.'
    throw usageError('keys-recipients', `A vault has 1 to ${RECIPIENTS_MAX} recipients.`, hint)
  }
  for (const recipient of newRecipients) {
    const parsed = parseRecipient(recipient)
    if (parsed.ok) continue
    const hint = '`earwitness keygen` and `age-keygen -y` print one: it begins with age1.'
    throw usageError('vault-recipient-invalid', `--to is not an age X25519 recipient (${parsed.reason}).`, hint)
  }
  const oldIdentities = await loadIdentities(file)
  const oldRecipients = recipientsOf(oldIdentities)
  if (newRecipients.every((recipient) => oldRecipients.has(recipient))) {
    const hint = 'Give the old key with --identity, and the recipient of the new one with --to.'
    throw usageError('keys-same-vault', 'The new vault is the one that is to be left.', hint)
  }
  const checkFile = textOption(args, 'check-with')
  if (checkFile === undefined) return { oldIdentities, newRecipients, newIdentities: undefined }
  const newIdentities = await loadIdentities(checkFile)
  const checked = recipientsOf(newIdentities)
  if (newRecipients.some((recipient) => checked.has(recipient))) return { oldIdentities, newRecipients, newIdentities }
  throw new EarwitnessError(
    'identity-wrong',
    'The key in --check-with belongs to none of the new recipients.',
    'Give the private half of one of them; `age-keygen -y FILE` prints the recipient of a key.',
  )
}

function recipientsOf(identities: readonly string[]): ReadonlySet<string> {
  const recipients = new Set<string>()
  for (const identity of identities) {
    const recipient = recipientOfIdentity(identity)
    if (recipient.ok) recipients.add(recipient.value)
  }
  return recipients
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
