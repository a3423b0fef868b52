import { describe, expect, it } from 'vitest'

import { briefly, load } from './support.ts'

const KEY = 'witness.example.com+8c42feec+BIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU'
const witnessed = (...keys: readonly string[]): string =>
  `ledger: {witnesses: [${keys.map((key) => `{url: "https://witness.example.com", key: "${key}"}`).join(', ')}]}`

describe('ledger.witnesses', () => {
  it('has keys of witnesses', () => {
    const { config, warnings } = load(witnessed(KEY, ` ${KEY} `))
    expect(config.ledger.witnesses).toHaveLength(2)
    expect(warnings).toEqual([])
  })

  it.each(['', 'nothing', KEY.slice(0, -1), KEY.replace('+8c', '+8C'), `x ${KEY}`])(
    'with the key %j warns, and lets the recorder start',
    (key) => {
      const { config, warnings } = load(witnessed(KEY, key))
      expect(config.ledger.witnesses).toHaveLength(2)
      expect(briefly(warnings)).toEqual([expect.stringContaining('witness-key-invalid')])
      expect(warnings[0]?.sentence).toContain('ledger.witnesses[1].key')
    },
  )
})
