import type { Command } from './command.ts'

/** A command as the list of commands shows it; the module behind it is loaded when it is asked for. */
export interface CommandEntry {
  readonly name: string
  /** The same as the command's own `summary`; a test compares them. */
  readonly summary: string
  readonly load: () => Promise<{ readonly command: Command }>
}

/** Every command, in the order in which one comes to need them. */
export const COMMANDS: readonly CommandEntry[] = [
  { name: 'serve', summary: 'runs the recorder until it is told to stop', load: () => import('./serve.ts') },
  { name: 'status', summary: 'asks the running recorder how it is', load: () => import('./status.ts') },
  {
    name: 'simulate',
    summary: 'places recording sessions against a recorder',
    load: () => import('./simulate.ts'),
  },
  {
    name: 'recordings',
    summary: 'finds recordings and shows what is known about one',
    load: () => import('./recordings.ts'),
  },
  {
    name: 'export',
    summary: 'opens a recording with the vault key and writes it as a file to listen to',
    load: () => import('./export.ts'),
  },
  {
    name: 'verify',
    summary: 'checks that nothing of a recording was changed, cut out or added',
    load: () => import('./verify.ts'),
  },
  {
    name: 'ledger',
    summary: 'checks the log of signed statements: what was recorded, paused, listened to',
    load: () => import('./ledger.ts'),
  },
  {
    name: 'witness',
    summary: 'signs under the ledgers of recorders, as long as they only grow',
    load: () => import('./witness.ts'),
  },
  {
    name: 'hold',
    summary: 'keeps a recording from being destroyed, until it is released',
    load: () => import('./hold.ts'),
  },
  {
    name: 'shred',
    summary: 'destroys the key of a recording, so that nobody can open it any more',
    load: () => import('./shred.ts'),
  },
  {
    name: 'replicate',
    summary: 'brings to one store what only the other has: to a new replica, or back',
    load: () => import('./replicate.ts'),
  },
  {
    name: 'reindex',
    summary: 'makes the index of recordings again out of the object store alone',
    load: () => import('./reindex.ts'),
  },
  {
    name: 'migrate',
    summary: 'brings the tables of the index to the form of this release',
    load: () => import('./migrate.ts'),
  },
  {
    name: 'consent',
    summary: 'says which rule on consent holds, what a recording proves, and adds to it',
    load: () => import('./consent.ts'),
  },
  {
    name: 'check-config',
    summary: 'validates the configuration and shows the values in force',
    load: () => import('./check-config.ts'),
  },
  {
    name: 'doctor',
    summary: 'checks whether this machine is fit to record',
    load: () => import('./doctor.ts'),
  },
  { name: 'keygen', summary: 'makes a vault key pair', load: () => import('./keygen.ts') },
  {
    name: 'keys',
    summary: 'seals the keys of recordings to another vault; fetches public keys of services',
    load: () => import('./keys.ts'),
  },
]
