import { expect, test } from 'vitest'
import { DirectorySync } from '../../../../src/server/storage/directory-sync.ts'

/** A sync that ends when it is told to. */
function make() {
  const begun: { readonly path: string; readonly end: (error?: Error) => void }[] = []
  const directories = new DirectorySync(
    (path) =>
      new Promise((resolve, reject) => {
        begun.push({ path, end: (error) => (error === undefined ? resolve() : reject(error)) })
      }),
  )
  const settled: string[] = []
  const sync = (path: string, name: string): void =>
    void directories.sync(path).then(
      () => settled.push(name),
      (error: Error) => settled.push(`${name} ${error.message}`),
    )
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  return { begun, settled, sync, turn }
}

test('who asks while a sync is under way shares the next one, which begins when that has ended', async () => {
  const { begun, settled, sync, turn } = make()
  for (const name of ['one', 'two', 'three']) sync('/a', name)
  expect(begun).toHaveLength(1)
  begun[0]!.end()
  await turn()
  expect([settled, begun.length]).toEqual([['one'], 2])
  sync('/a', 'four')
  begun[1]!.end()
  await turn()
  expect([settled, begun.length]).toEqual([['one', 'two', 'three'], 3])
  begun[2]!.end()
  await turn()
  expect(settled.at(-1)).toBe('four')
  sync('/a', 'five')
  expect(begun).toHaveLength(4)
})

test('directories do not wait for each other', () => {
  const { begun, sync } = make()
  sync('/a', 'one')
  sync('/b', 'two')
  expect(begun.map(({ path }) => path)).toEqual(['/a', '/b'])
})

test('a failure is told to those whose sync it was, and to nobody else', async () => {
  const { begun, settled, sync, turn } = make()
  for (const name of ['one', 'two', 'three']) sync('/a', name)
  begun[0]!.end(new Error('full'))
  await turn()
  begun[1]!.end()
  await turn()
  expect(settled).toEqual(['one full', 'two', 'three'])
})
