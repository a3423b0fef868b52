import type { RequestFacts } from './inspect-request.ts'
import { InviteServerTransaction, type ServerTransactionOptions } from './invite-server-transaction.ts'
import { NonInviteServerTransaction } from './non-invite-server-transaction.ts'
import { TimedTable } from './timed-table.ts'

/** Server transactions held at a time. On UDP each stays 32 s, so this is some 2,000 dialogs a second. */
export const SERVER_TRANSACTIONS_MAX = 131_072

/** A server transaction in its table. */
export interface ServerTransaction {
  readonly key: string
  readonly mergeKey: string
  readonly method: string
  readonly machine: InviteServerTransaction | NonInviteServerTransaction
  readonly nextTimeoutUs: number
}

/** The server transactions, found by their key and by what two copies of one request have in common. RFC 3261 17.2, 8.2.2.2 */
export class ServerTransactions {
  readonly #table: TimedTable<ServerTransaction>
  readonly #byMergeKey = new Map<string, ServerTransaction>()

  constructor(max: number = SERVER_TRANSACTIONS_MAX) {
    this.#table = new TimedTable(max)
  }

  get size(): number {
    return this.#table.size
  }

  get nextTimeoutUs(): number {
    return this.#table.nextTimeoutUs
  }

  get(key: string): ServerTransaction | undefined {
    return this.#table.get(key)
  }

  /** True when another transaction carries the same request. */
  isMerged(facts: RequestFacts): boolean {
    const other = this.#byMergeKey.get(facts.mergeKey)
    return other !== undefined && other.key !== facts.transactionKey
  }

  /** Opens a transaction; undefined when the table is full. */
  open(method: string, facts: RequestFacts, options: ServerTransactionOptions): ServerTransaction | undefined {
    const machine = method === 'INVITE' ? new InviteServerTransaction(options) : new NonInviteServerTransaction(options)
    const transaction: ServerTransaction = {
      key: facts.transactionKey,
      mergeKey: facts.mergeKey,
      method,
      machine,
      get nextTimeoutUs() {
        return machine.nextTimeoutUs
      },
    }
    if (!this.#table.add(transaction)) return undefined
    if (!this.#byMergeKey.has(facts.mergeKey)) this.#byMergeKey.set(facts.mergeKey, transaction)
    return transaction
  }

  /** To be called after anything was done to a transaction's machine. */
  settle(transaction: ServerTransaction): void {
    if (transaction.machine.state !== 'terminated') {
      this.#table.update(transaction)
      return
    }
    this.#table.delete(transaction)
    if (this.#byMergeKey.get(transaction.mergeKey) === transaction) this.#byMergeKey.delete(transaction.mergeKey)
  }

  /**
   * Runs the timers that are due.
   *
   * @param onTimeout is told of each retransmission, and of each refusal whose ACK never came
   */
  handleTimeout(nowUs: number, onTimeout: (outcome: 'retransmitted' | 'notAcknowledged') => void): void {
    for (let due = this.#table.takeDue(nowUs); due !== undefined; due = this.#table.takeDue(nowUs)) {
      const before = due.machine.state
      due.machine.handleTimeout(nowUs)
      this.settle(due)
      if (due.machine.state !== 'terminated') onTimeout('retransmitted')
      else if (before === 'completed' && due.method === 'INVITE') onTimeout('notAcknowledged')
    }
  }
}
