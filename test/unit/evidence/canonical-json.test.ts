import { describe, expect, it } from 'vitest'

import { canonicalJson, JSON_DEPTH_MAX, readCanonicalJson } from '../../../src/evidence/canonical-json.ts'

function numberFromBits(hex: string): number {
  const view = new DataView(new ArrayBuffer(8))
  view.setBigUint64(0, BigInt(`0x${hex}`))
  return view.getFloat64(0)
}

describe('canonicalJson writes the examples of RFC 8785', () => {
  it('section 3.2.2: numbers, escapes and literals', () => {
    const input = {
      numbers: [Number('333333333.33333329'), 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
      string: '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\"\u002f',
      literals: [null, true, false],
    }
    expect(canonicalJson(input)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    )
  })

  it('section 3.2.3: members in the order of UTF-16 code units, not of code points', () => {
    const input = {
      '\u20ac': 'Euro Sign',
      '\r': 'Carriage Return',
      '\ufb33': 'Hebrew Letter Dalet With Dagesh',
      '1': 'One',
      '\u{1f600}': 'Emoji: Grinning Face',
      '\u0080': 'Control',
      '\u00f6': 'Latin Small Letter O With Diaeresis',
    }
    expect(Object.values(JSON.parse(canonicalJson(input)) as object)).toHaveLength(7)
    const order = [...canonicalJson(input).matchAll(/:"([^"]+)"/g)].map((match) => match[1])
    expect(order).toEqual([
      'Carriage Return',
      'One',
      'Control',
      'Latin Small Letter O With Diaeresis',
      'Euro Sign',
      'Emoji: Grinning Face',
      'Hebrew Letter Dalet With Dagesh',
    ])
  })

  it.each([
    ['0000000000000000', '0'],
    ['8000000000000000', '0'],
    ['0000000000000001', '5e-324'],
    ['8000000000000001', '-5e-324'],
    ['7fefffffffffffff', '1.7976931348623157e+308'],
    ['ffefffffffffffff', '-1.7976931348623157e+308'],
    ['4340000000000000', '9007199254740992'],
    ['c340000000000000', '-9007199254740992'],
    ['4430000000000000', '295147905179352830000'],
    ['44b52d02c7e14af5', '9.999999999999997e+22'],
    ['44b52d02c7e14af6', '1e+23'],
    ['44b52d02c7e14af7', '1.0000000000000001e+23'],
    ['444b1ae4d6e2ef4e', '999999999999999700000'],
    ['444b1ae4d6e2ef4f', '999999999999999900000'],
    ['444b1ae4d6e2ef50', '1e+21'],
    ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
    ['3eb0c6f7a0b5ed8d', '0.000001'],
    ['41b3de4355555553', '333333333.3333332'],
    ['41b3de4355555557', '333333333.33333343'],
    ['becbf647612f3696', '-0.0000033333333333333333'],
    ['43143ff3c1cb0959', '1424953923781206.2'],
  ])('appendix B: the double %s is %s', (bits, text) => {
    expect(canonicalJson(numberFromBits(bits))).toBe(text)
  })

  it('escapes control characters in lower case and nothing that need not be escaped', () => {
    expect(canonicalJson('\b\t\n\f\r"\\\u0000\u001f\u007f\u2028/')).toBe(
      '"\\b\\t\\n\\f\\r\\"\\\\\\u0000\\u001f\u007f\u2028/"',
    )
  })

  it('sorts members at every depth and keeps the order of arrays', () => {
    expect(canonicalJson({ b: [{ z: 1, a: 2 }, 1, 'x'], a: {} })).toBe('{"a":{},"b":[{"a":2,"z":1},1,"x"]}')
  })

  it('takes a member called __proto__ for what it is', () => {
    expect(canonicalJson(JSON.parse('{"__proto__":1,"a":2}'))).toBe('{"__proto__":1,"a":2}')
  })
})

describe('canonicalJson refuses what JSON cannot carry', () => {
  it.each([
    ['NaN', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['minus Infinity', [Number.NEGATIVE_INFINITY]],
    ['undefined', undefined],
    ['an undefined member', { a: undefined }],
    ['a hole in an array', Array.from({ length: 1 })],
    ['a bigint', 1n],
    ['a symbol', Symbol('a')],
    ['a function', () => 1],
    ['a lone high surrogate', '\ud83d'],
    ['a lone low surrogate in a name', { '\ude00': 1 }],
    ['a date', new Date(0)],
    ['a map', new Map()],
    ['bytes', new Uint8Array(1)],
  ])('%s', (_what, value) => {
    expect(() => canonicalJson(value)).toThrow(TypeError)
  })

  it('nesting beyond the bound, so also a circle', () => {
    const circle: Record<string, unknown> = {}
    circle['self'] = circle
    expect(() => canonicalJson(circle)).toThrow(/nested/)
    let nested: unknown = 1
    for (let depth = 0; depth < JSON_DEPTH_MAX; depth += 1) nested = [nested]
    expect(canonicalJson(nested)).toHaveLength(2 * JSON_DEPTH_MAX + 1)
    expect(() => canonicalJson([nested])).toThrow(/nested/)
  })
})

describe('readCanonicalJson', () => {
  const read = (text: string): unknown => readCanonicalJson(new TextEncoder().encode(text))

  it('reads back what canonicalJson writes', () => {
    expect(read(canonicalJson({ b: [1, 'ä', null], a: { c: true } }))).toEqual({ a: { c: true }, b: [1, 'ä', null] })
  })

  it.each([
    ['members out of order', '{"b":1,"a":2}'],
    ['a member twice', '{"a":1,"a":1}'],
    ['blanks', '{"a": 1}'],
    ['a line end', '{"a":1}\n'],
    ['a byte order mark', '\uFEFF{"a":1}'],
    ['another way to write a number', '1.0'],
    ['another way to write a character', String.raw`"\u0061"`],
    ['no JSON', '{'],
    ['nothing', ''],
  ])('refuses %s', (_, text) => {
    expect(read(text)).toBeUndefined()
  })

  it('refuses bytes that are no UTF-8', () => {
    expect(readCanonicalJson(Uint8Array.of(0x22, 0xff, 0x22))).toBeUndefined()
  })
})
