import { LEDGER_PREFIX, LOG_LIST_PREFIX, parseEntriesName } from '../../../evidence/ledger/log-names.ts'
import { isUuidV7 } from '../../../ids.ts'
import type { CustodyStore, ObjectStore } from '../object-store.ts'

type Listed = Awaited<ReturnType<ObjectStore['list']>>

/** The objects of all ledgers of a store, a month of one at a time: entries before the checkpoints that cover them, and last the list by which logs are found. */
export async function* ledgerLists(store: Pick<CustodyStore, 'folders' | 'list'>): AsyncGenerator<Listed> {
  for (const logId of (await store.folders(`${LEDGER_PREFIX}/`)).filter(isUuidV7)) {
    for (const year of await store.folders(`${LEDGER_PREFIX}/${logId}/`)) {
      for (const month of await store.folders(`${LEDGER_PREFIX}/${logId}/${year}/`)) {
        const listed = await store.list(`${LEDGER_PREFIX}/${logId}/${year}/${month}/`)
        yield listed.toSorted((one, other) => rank(one.key) - rank(other.key))
      }
    }
  }
  yield await store.list(LOG_LIST_PREFIX)
}

function rank(key: string): number {
  return parseEntriesName(key.slice(key.lastIndexOf('/') + 1)) === undefined ? 1 : 0
}
