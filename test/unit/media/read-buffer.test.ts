import { describe, expect, it } from 'vitest'

import { ReadBuffer } from '../../../src/media/read-buffer.ts'

describe('the arrays that a timeline is read into', () => {
  it('keep what came before, over as many reads as there are turns', () => {
    const buffer = new ReadBuffer(4)
    for (let read = 1; read <= 6; read++) buffer.next(3).fill(read)
    const before = new Int16Array(10)
    buffer.copyBefore(2, before)
    expect([...before]).toEqual([3, 3, 4, 4, 4, 5, 5, 5, 6, 6])
  })

  it('have zeros where nothing was read or it has been forgotten', () => {
    const buffer = new ReadBuffer(4)
    buffer.next(2).fill(1)
    buffer.next(2).fill(2)
    const before = new Int16Array(6).fill(9)
    buffer.copyBefore(1, before)
    expect([...before]).toEqual([0, 0, 0, 1, 1, 2])
  })

  it('are handed out again, emptied', () => {
    const buffer = new ReadBuffer(2)
    const first = buffer.next(2).fill(7)
    buffer.next(2)
    expect(buffer.next(2)).toBe(first)
    expect([...first]).toEqual([0, 0])
    expect(buffer.next(5).length).toBe(5)
  })

  it('keep what their reader has silenced silent', () => {
    const buffer = new ReadBuffer(2)
    buffer.next(3).fill(5).fill(0, 1)
    buffer.next(3)
    const before = new Int16Array(3)
    buffer.copyBefore(0, before)
    expect([...before]).toEqual([5, 0, 0])
  })
})
