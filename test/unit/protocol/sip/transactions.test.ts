import { describe, expect, test } from 'vitest'
import { DeadlineHeap } from '../../../../src/protocol/sip/deadline-heap.ts'
import { InviteServerTransaction } from '../../../../src/protocol/sip/invite-server-transaction.ts'
import { NonInviteClientTransaction } from '../../../../src/protocol/sip/non-invite-client-transaction.ts'
import { NonInviteServerTransaction } from '../../../../src/protocol/sip/non-invite-server-transaction.ts'
import { TimedTable } from '../../../../src/protocol/sip/timed-table.ts'
import { DEFAULT_SIP_TIMERS } from '../../../../src/protocol/sip/timers.ts'
import { bytesOf, textOf } from './wire.ts'

const TRYING = bytesOf('100')
const OK = bytesOf('200')
const BUSY = bytesOf('486')
const SECOND = 1_000_000

interface Machine {
  readonly nextTimeoutUs: number
  handleTimeout(nowUs: number): unknown
}

/** Runs all timers of a machine; returns the seconds at which it was woken. */
function wakeUps(machine: Machine, untilUs = Infinity): readonly number[] {
  const seconds: number[] = []
  while (machine.nextTimeoutUs <= untilUs && machine.nextTimeoutUs !== Infinity) {
    const nowUs = machine.nextTimeoutUs
    seconds.push(nowUs / SECOND)
    machine.handleTimeout(nowUs)
  }
  return seconds
}

function recorded(isReliable: boolean) {
  const sent: string[] = []
  return {
    sent,
    options: { isReliable, timers: DEFAULT_SIP_TIMERS, send: (bytes: Uint8Array) => sent.push(textOf(bytes)) },
  }
}

describe('INVITE server transaction (RFC 3261 17.2.1, RFC 6026)', () => {
  test('answers a retransmitted INVITE with its last provisional response', () => {
    const { sent, options } = recorded(false)
    const machine = new InviteServerTransaction(options)
    machine.handleRetransmission()
    expect(sent).toEqual([])
    machine.respond(100, TRYING, 0)
    machine.handleRetransmission()
    expect([sent, machine.state, machine.nextTimeoutUs]).toEqual([['100', '100'], 'proceeding', Infinity])
  })

  test('sends a refusal again with doubling intervals up to T2 and gives up after 64*T1 (Timers G and H)', () => {
    const { sent, options } = recorded(false)
    const machine = new InviteServerTransaction(options)
    machine.respond(486, BUSY, 0)
    expect(wakeUps(machine)).toEqual([0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5, 32])
    expect([sent.length, machine.state]).toEqual([11, 'terminated'])
  })

  test('does not send a refusal again over TCP, but still waits for its ACK', () => {
    const { sent, options } = recorded(true)
    const machine = new InviteServerTransaction(options)
    machine.respond(486, BUSY, 0)
    expect(wakeUps(machine)).toEqual([32])
    expect(sent).toEqual(['486'])
  })

  test('answers an INVITE retransmitted after the refusal, and absorbs it after the ACK', () => {
    const { sent, options } = recorded(false)
    const machine = new InviteServerTransaction(options)
    machine.respond(486, BUSY, 0)
    machine.handleRetransmission()
    expect(machine.handleAck(SECOND)).toBe(true)
    machine.handleRetransmission()
    expect([sent, machine.state, machine.handleAck(SECOND)]).toEqual([['486', '486'], 'confirmed', true])
    expect(wakeUps(machine)).toEqual([6]) // Timer I: T4
    expect(machine.state).toBe('terminated')
  })

  test('ends with the ACK of a refusal over TCP', () => {
    const machine = new InviteServerTransaction(recorded(true).options)
    machine.respond(486, BUSY, 0)
    machine.handleAck(SECOND)
    expect([machine.state, machine.nextTimeoutUs]).toEqual(['terminated', Infinity])
  })

  test('after a 2xx only absorbs, for 64*T1 (Timer L), and leaves its ACK to the dialog', () => {
    const { sent, options } = recorded(false)
    const machine = new InviteServerTransaction(options)
    machine.respond(200, OK, 0)
    machine.handleRetransmission()
    expect([sent, machine.state, machine.handleAck(1)]).toEqual([['200'], 'accepted', false])
    expect(wakeUps(machine)).toEqual([32])
    expect(machine.state).toBe('terminated')
  })

  test('sends one final response only', () => {
    const { sent, options } = recorded(false)
    const machine = new InviteServerTransaction(options)
    expect(machine.respond(200, OK, 0)).toBe(true)
    expect(machine.respond(487, BUSY, 0)).toBe(false)
    expect(sent).toEqual(['200'])
  })
})

describe('non-INVITE server transaction (RFC 3261 17.2.2)', () => {
  test('answers retransmissions for 64*T1 (Timer J)', () => {
    const { sent, options } = recorded(false)
    const machine = new NonInviteServerTransaction(options)
    machine.handleRetransmission()
    machine.respond(200, OK, 0)
    machine.handleRetransmission()
    expect(machine.respond(500, BUSY, 0)).toBe(false)
    expect([sent, wakeUps(machine), machine.state]).toEqual([['200', '200'], [32], 'terminated'])
  })

  test('ends at once over TCP', () => {
    const machine = new NonInviteServerTransaction(recorded(true).options)
    machine.respond(200, OK, 0)
    expect(machine.state).toBe('terminated')
  })
})

describe('non-INVITE client transaction (RFC 3261 17.1.2)', () => {
  function client(isReliable = false) {
    const { sent, options } = recorded(isReliable)
    return { sent, machine: new NonInviteClientTransaction({ ...options, bytes: bytesOf('BYE') }, 0) }
  }

  test('sends again with doubling intervals up to T2 and gives up after 64*T1 (Timers E and F)', () => {
    const { sent, machine } = client()
    expect(wakeUps(machine)).toEqual([0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5, 32])
    expect([sent.length, machine.isDone, machine.finalStatus]).toEqual([11, true, undefined])
  })

  test('sends every T2 once a provisional response came', () => {
    const { machine } = client()
    machine.handleResponse(100, 0)
    expect(wakeUps(machine, 12 * SECOND)).toEqual([0.5, 4.5, 8.5])
  })

  test('stops with a final response and absorbs copies of it for T4 (Timer K)', () => {
    const { sent, machine } = client()
    machine.handleResponse(481, SECOND)
    machine.handleResponse(200, SECOND)
    expect([machine.isDone, machine.finalStatus, wakeUps(machine)]).toEqual([true, 481, [6]])
    expect([sent, machine.state]).toEqual([['BYE'], 'terminated'])
  })

  test('never sends again over TCP and ends with the final response', () => {
    const { sent, machine } = client(true)
    expect(machine.nextTimeoutUs).toBe(32 * SECOND)
    machine.handleResponse(200, SECOND)
    expect([sent, machine.state]).toEqual([['BYE'], 'terminated'])
  })
})

describe('the deadlines of many machines', () => {
  test('come out in order, whatever was moved or removed', () => {
    const heap = new DeadlineHeap<{ nextTimeoutUs: number }>()
    const owners = Array.from({ length: 200 }, (_, index) => ({ nextTimeoutUs: (index * 7919) % 1009 }))
    for (const owner of owners) heap.update(owner)
    for (const [index, owner] of owners.entries()) {
      if (index % 3 === 0) owner.nextTimeoutUs = Infinity
      if (index % 3 === 1) owner.nextTimeoutUs = (index * 104_729) % 1013
      heap.update(owner)
    }
    heap.remove(owners[2]!)
    const expected = owners
      .filter((owner, index) => owner.nextTimeoutUs !== Infinity && index !== 2)
      .map((owner) => owner.nextTimeoutUs)
    const taken: number[] = []
    for (let due = heap.takeDue(Infinity); due !== undefined; due = heap.takeDue(Infinity))
      taken.push(due.nextTimeoutUs)
    expect(taken).toEqual(expected.toSorted((a, b) => a - b))
    expect([heap.size, heap.nextTimeoutUs]).toEqual([0, undefined])
  })

  test('are bounded by their table', () => {
    const table = new TimedTable<{ key: string; nextTimeoutUs: number }>(2)
    const first = { key: 'a', nextTimeoutUs: 1 }
    expect([
      table.add(first),
      table.add({ key: 'b', nextTimeoutUs: Infinity }),
      table.add({ key: 'c', nextTimeoutUs: 0 }),
    ]).toEqual([true, true, false])
    expect([table.size, table.waiting, table.nextTimeoutUs]).toEqual([2, 1, 1])
    expect([table.delete(first), table.delete(first), table.isFull]).toEqual([true, false, false])
    table.update(first)
    expect(table.waiting).toBe(0)
  })
})
