import { setTimeout as sleep } from 'node:timers/promises'
import type { SignerFiles } from './storage/key-files.ts'
import type { Config } from '../config/config.ts'
import type { VaultRecipient } from '../evidence/vault-recipient.ts'
import { type KeptAnnouncements, startAnnouncementTable } from './announcer/start-announcement-table.ts'
import { type DataLock } from './data-lock.ts'
import type { Database } from './database/database.ts'
import { MonthPartitions } from './database/month-partitions.ts'
import { openDatabase } from './database/open-database.ts'
import { Outbox } from './database/outbox.ts'
import { isOnLegalHold } from './custody/legal-hold.ts'
import type { Ledger } from './ledger/ledger.ts'
import { startLedger } from './ledger/start-ledger.ts'
import { Custody } from './recording/custody.ts'
import { HeldCustody } from './recording/held-custody.ts'
import { HeldKeys } from './recording/held-keys.ts'
import { heldKeysOpened, OpenJournal } from './recording/open-journal.ts'
import { recoverWithSpool, type RecoveryOptions } from './recording/recovery.ts'
import { RecoveryRounds } from './recording/recovery-rounds.ts'
import { STRANGER_NAME } from './recording/source-table.ts'
import { openSpool, type Spool } from './spool/spool.ts'
import { openForCustody } from './storage/open-store.ts'
import { startStorage, type Storage } from './storage/start-storage.ts'
import { loadSignerAtStart, vaultRecipientsAtStart, type DaemonNotice } from './keys-at-start.ts'
import type { Logger } from './telemetry/logger.ts'
import { type Metrics } from './telemetry/metrics.ts'
import {
  finishLeftKeys,
  handOverIntents,
  replicateIntents,
  rotationIntents,
  type RotationIntents,
} from './vault/left-keys.ts'
import { rotationPlace } from './vault/rotation-place.ts'

const LEDGER_CLOSE_MS = 5_000

export type Undo = (() => Promise<unknown> | void)[]

export interface Software {
  readonly name: string
  readonly version: string
}

/** What takes recordings into custody. */
export interface Keeping extends Pick<Storage, 'store' | 'uploads'> {
  readonly storage: Storage
  readonly database: Database
  readonly outbox: Outbox
  readonly custody: Custody
  /** What was held until consent. */
  readonly held: HeldCustody
  readonly ledger: Ledger
  readonly vaultRecipients: readonly VaultRecipient[]
  readonly signer: SignerFiles
  readonly spool: Spool
  /** What was announced before a recording began, and how it is found. */
  readonly announcements: KeptAnnouncements
  /** Of the recordings that are open. */
  readonly journal: OpenJournal
  /** Closes what an earlier run left open. */
  readonly recovery: RecoveryRounds
}

/** What the services of a daemon are started with. */
export interface StartOptions {
  readonly config: Config
  readonly log: Logger
  readonly metrics: Metrics
  readonly software: Software
  /** Undone in reverse when a later step of the start fails, or at the end. */
  readonly undo: Undo
}

/** Starts everything that keeps what is recorded: keys, store, database, custody. `notices` is told of keys that were made. */
export async function startKeeping(
  options: StartOptions & { readonly lock: DataLock; readonly notices: DaemonNotice[] },
): Promise<Keeping> {
  const { config, lock, log, metrics, undo } = options
  const signer = await loadSignerAtStart(config, options.notices)
  const vaultRecipients = await vaultRecipientsAtStart(config, options.notices)
  const storage = await startStorage(config, { log, metrics })
  undo.push(() => storage.stop())
  const { store, uploads } = storage
  const database = await openDatabase({
    url: config.database.url,
    dataDir: config.dataDir,
    log,
    lock,
    whenUnreachable: 'continue',
  })
  undo.push(() => database.stop())
  const months = new MonthPartitions({
    ...{ database, log, nowUnixMs: Date.now },
    onMisplaced: (rows) => metrics.databaseMisplacedRows.set(rows),
  })
  months.run()
  undo.push(() => months.stop())
  const journal = await startJournal(config, log)
  // Behind outbox and ledger: with what they write last the journals of closed recordings go.
  undo.push(() => journal.settled())
  const outbox = new Outbox({ database, dataDir: config.dataDir, log })
  await outbox.run()
  undo.push(() => outbox.stop())
  const { dataDir } = config
  const ledger = await startLedger({
    ...{ dataDir, signer, store, uploads, metrics },
    software: options.software,
    ...config.ledger,
    log,
  })
  undo.push(() => ledger.close(LEDGER_CLOSE_MS))
  const spool = await openSpool({ dataDir, limits: config.spool, queue: uploads, log })
  undo.push(() => spool.stop())
  const heldKeys = new HeldKeys({ dataDir })
  const held = heldCustody({ store, signer, journal, heldKeys, log, uploads: spool.uploads })
  const custody = new Custody({
    ...{ outbox, journal, ledger, held, uploads: spool.uploads, spool: spool.keeper },
    signer: signer.signingKey,
    nowUnixMs: Date.now,
    onConsentEvent: (type) => metrics.consentEventsTotal.inc({ type }),
  })
  const leftOpen = await journal.leftOpen()
  const unnamedKeys = await heldKeys.unnamed()
  const recovery = new RecoveryRounds({
    ...{ leftOpen, journal, random: Math.random },
    round: async (left, asked) => {
      if (left === leftOpen) await settleUnnamed(heldKeys, unnamedKeys, { leftOpen, store, log })
      const round = await recoverWithSpool(spool, {
        ...{ ...asked, journal, leftOpen: left, store, custody, held, policyOf: policiesOf(config) },
        signer: signer.verifyKey,
      })
      await heldKeys.forgetStored(store)
      await finishCommands(config, signer, log)
      return round
    },
    reportError: (recordingId, error) =>
      log.error({ recordingId, err: error }, 'a recording of an earlier run could not be closed'),
    pause: (durationMs, signal) => sleep(durationMs, undefined, { signal, ref: false }).catch(() => {}),
  })
  const announcements = await startAnnouncementTable(options, signer)
  undo.push(() => announcements.table.stop())
  const kept = { store, uploads, journal, outbox, custody, held, ledger, spool, announcements }
  return { storage, database, ...kept, vaultRecipients, signer, recovery }
}

async function startJournal({ dataDir }: Config, log: Logger): Promise<OpenJournal> {
  const onError = (error: unknown): void =>
    log.error({ err: error }, 'the journal of open recordings cannot be written')
  const journal = new OpenJournal({ dataDir, onError, nowUnixMs: Date.now })
  await journal.run()
  return journal
}

function settleUnnamed(
  heldKeys: HeldKeys,
  left: readonly string[],
  { leftOpen, store, log }: Pick<RecoveryOptions, 'leftOpen' | 'store'> & Pick<StartOptions, 'log'>,
): Promise<void> {
  return heldKeys.settleUnnamed(left, {
    ...{ opened: heldKeysOpened(leftOpen), store },
    onError: (error) => log.error({ err: error }, 'a held key of an earlier run could not be looked at'),
  })
}

/** Of a source that is listed no more nobody knows what its policy was. */
function policiesOf({ sources, consent }: Config): NonNullable<RecoveryOptions['policyOf']> {
  return (src) =>
    src === STRANGER_NAME ? consent.byDefault.policy : sources.find(({ name }) => name === src)?.consent.policy
}

/** Of commands that were killed. Never rejects: nothing else waits for it. */
async function finishCommands(config: Config, signer: SignerFiles, log: Logger): Promise<void> {
  for (const intents of [rotationIntents, handOverIntents, replicateIntents].map((of) => of(config.dataDir))) {
    await tryLeftKeys(config, { intents, signer, log }).catch((error: unknown) =>
      log.error({ err: error }, 'what killed commands left cannot be looked at; it is tried again at the next start'),
    )
  }
}

async function tryLeftKeys(
  config: Config,
  { intents, signer, log }: { readonly intents: RotationIntents; readonly signer: SignerFiles; readonly log: Logger },
): Promise<void> {
  if ((await intents.list()).length === 0) return
  const { places, close } = await openForCustody(config)
  try {
    await finishLeftKeys({
      ...{ places: places.map(rotationPlace), intents, trusted: [signer.verifyKey] },
      onDestroyed: (recordingId, names) =>
        log.warn({ recordingId, names }, 'what a killed command had left, and nobody may have, was destroyed'),
      onError: (recordingId, error) =>
        log.error(
          { recordingId, err: error },
          'what a killed command left could not be looked at; run "earwitness shred" on the recording if it is shredded',
        ),
    })
  } finally {
    close()
  }
}

function heldCustody(parts: {
  readonly store: Keeping['store']
  readonly signer: Keeping['signer']
  readonly journal: OpenJournal
  readonly heldKeys: HeldKeys
  readonly uploads: Spool['uploads']
  readonly log: StartOptions['log']
}): HeldCustody {
  const { store, signer, journal, heldKeys, uploads, log } = parts
  return new HeldCustody({
    ...{ keys: heldKeys, journal, put: (order, key, bytes) => uploads.put(order, key, bytes) },
    isOnHold: (recordingId, prefix) => isOnLegalHold(store, { recordingId, prefix }, [signer.verifyKey]),
    onError: (recordingId, error) =>
      log.error({ recordingId, err: error }, 'the key of what is held until consent is not where it should be'),
  })
}
