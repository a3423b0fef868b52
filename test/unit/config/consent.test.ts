import { describe, expect, test } from 'vitest'
import { briefly, CONSENT_DEFAULTS, load, problemsOf } from './support.ts'

const SOURCE = 'sources:\n  - name: sbc\n    address: 192.0.2.10\n    consent: '

describe('consent', () => {
  test('is asked of nobody when nobody says anything', () => {
    const { config, warnings } = load(undefined)
    expect(config.consent).toEqual({ packs: undefined, byDefault: CONSENT_DEFAULTS })
    expect(warnings).toEqual([])
  })

  test('of a source is what consent says, but for what the source says', () => {
    const { config } = load(`
consent:
  require: notice
  deadline: 30s
  onMissing: discard
  holdUntilConsent: true
  heardPercentMin: 85
  jurisdiction: us-fl
  ownParties: ['1???', '*@pbx.example.com']
  keys: {yes: '1', withdraw: '*9'}
sources:
  - {name: plain, address: 192.0.2.10}
  - name: berlin
    address: 192.0.2.11
    consent:
      require: agreement
      deadline: 10s
      onMissing: stop
      onRefused: shred
      holdUntilConsent: record
      jurisdiction: de
      country: DE
      ownParties: '+4930*'
      ownPartiesAre: agreed
`)
    const [plain, berlin] = config.sources.map(({ consent }) => consent)
    expect(plain).toEqual({ ...config.consent.byDefault, own: plain?.own })
    expect(plain?.policy).toMatchObject({
      require: 'notice',
      deadlineMs: 30_000,
      onMissing: 'discard',
      heardShareMin: 0.85,
    })
    expect(plain?.listening).toEqual({ keys: { yes: '1', withdraw: '*9' }, answerWithinMs: 15_000, windowMs: 60_000 })
    expect(plain?.own[0]).toMatchObject({ consent: 'informed', jurisdiction: 'us-fl' })
    expect(['sip:1001@a', 'sip:x@pbx.example.com', 'sip:10011@a'].map((aor) => plain?.own[0]?.includes(aor))).toEqual([
      true,
      true,
      false,
    ])
    expect(berlin?.policy).toMatchObject({
      require: 'agreement',
      deadlineMs: 10_000,
      onMissing: 'stop',
      onRefused: 'shred',
      onWithdrawn: 'stop',
      holdUntilConsent: false,
    })
    expect(berlin).toMatchObject({ jurisdiction: 'de', country: 'DE' })
    expect(berlin?.own[0]).toMatchObject({ consent: 'agreed', jurisdiction: 'de' })
    expect(berlin?.own[0]?.includes('tel:+49301')).toBe(true)
    expect(berlin?.own[0]?.includes('sip:1001@a')).toBe(false)
  })

  test('can be set by the environment', () => {
    const env = {
      EARWITNESS_CONSENT_REQUIRE: 'notice',
      EARWITNESS_CONSENT_KEYS_YES: '1',
      EARWITNESS_CONSENT_OWN_PARTIES: '1???, 2???',
      EARWITNESS_SOURCES_0_NAME: 'sbc',
      EARWITNESS_SOURCES_0_ADDRESS: '192.0.2.10',
      EARWITNESS_SOURCES_0_CONSENT_ON_MISSING: 'stop',
    }
    const { config } = load(undefined, env)
    expect(config.sources[0]?.consent.policy).toMatchObject({ require: 'notice', onMissing: 'stop' })
    expect(config.consent.byDefault.own[0]?.includes('sip:2001@x')).toBe(true)
  })

  test('that only has keys is listened to', () => {
    expect(load("consent: {keys: {withdraw: '9'}}").config.consent.byDefault.listening?.keys).toEqual({ withdraw: '9' })
    expect(load('consent: {require: notice}').config.consent.byDefault.listening?.keys).toEqual({})
  })
})

describe('what could never be fulfilled', () => {
  const sentences = (yaml: string) => problemsOf(yaml).map(({ where, sentence }) => `${where ?? '-'} ${sentence}`)

  test('agreement that nobody can give', () => {
    expect(sentences('consent: {require: agreement}')).toEqual([
      'test.yaml:1:20 consent.require is agreement, and there is no way in which anybody could say yes.',
    ])
    expect(sentences(`${SOURCE}{require: agreement}`)).toEqual([
      'test.yaml:4:24 sources[0].consent.require is agreement, and there is no way in which anybody could say yes.',
    ])
    expect(problemsOf("consent: {require: agreement, keys: {yes: '1'}}")).toEqual([])
    expect(problemsOf('consent: {require: agreement, apiAnswers: true}')).toEqual([])
  })

  test('an announcer asks the caller alone, and of a source that is listed', () => {
    const NO_WAY = 'consent.require is agreement, and there is no way in which anybody could say yes.'
    const problems = (consent: string, ...lines: readonly string[]) =>
      problemsOf(
        [`consent: {require: agreement${consent}}`, 'announcements: {enabled: true}', ...lines].join('\n'),
      ).map(({ sentence }) => sentence)
    const listed = 'sources: [{name: pbx, address: 192.0.2.10}]'
    const agreed = ", ownParties: ['1???'], ownPartiesAre: agreed"
    expect(problems(agreed, listed)).not.toContain(NO_WAY)
    expect(problems(agreed)).toContain(NO_WAY)
    expect(problems('', listed)).toContain(NO_WAY)
    expect(problems(", ownParties: ['1???']", listed)).toContain(NO_WAY)
  })

  test('a rule that may want agreement is a warning', () => {
    const { warnings } = load('consent: {require: byRule, holdUntilConsent: true}')
    expect(warnings.map(({ where, sentence }) => `${where} ${sentence}`)).toEqual([
      'test.yaml:1:20 consent.require is byRule, some rules want agreement, and there is no way in which anybody could say yes.',
    ])
    expect(load("consent: {require: byRule, holdUntilConsent: true, keys: {yes: '1'}}").warnings).toEqual([])
  })

  test('a rule that wants it before recording, while nothing is held, is a warning', () => {
    const keys = "keys: {yes: '1'}"
    const brief = (yaml: string) => load(yaml).warnings.map(({ code, where }) => `${code} ${where}`)
    expect(brief(`consent: {require: byRule, ${keys}}`)).toEqual(['consent-before-not-held test.yaml:1:20'])
    expect(brief(`consent: {require: agreement, ${keys}}`)).toEqual([])
    const own = `consent: {require: byRule, holdUntilConsent: true, ${keys}}\n${SOURCE}{holdUntilConsent: record}`
    expect(brief(own)).toEqual(['consent-before-not-held test.yaml:5:33'])
  })

  test('a pause that nobody could end is a warning', () => {
    const found = (yaml: string) => load(yaml).warnings.map(({ code, sentence }) => `${code} ${sentence.split(',')[0]}`)
    expect(found('consent: {require: notice, onMissing: pause, onRefused: pause}')).toEqual([
      'consent-cannot-come consent.onMissing is pause',
      'consent-cannot-come consent.onRefused is pause',
    ])
    expect(found('consent: {require: notice, holdUntilConsent: true, onMissing: discard}')).toEqual([
      'consent-cannot-come consent.onMissing is discard',
    ])
    expect(found('consent: {require: notice, apiAnswers: true, onMissing: pause}')).toEqual([])
    expect(found('consent: {onMissing: pause}')).toEqual([])
    expect(found(`consent: {require: notice}\n${SOURCE}{onWithdrawn: pause}`)).toEqual([
      'consent-cannot-come sources[0].consent.onWithdrawn is pause',
    ])
  })

  test('what is inherited is told once, where it stands', () => {
    const yaml =
      'consent: {require: agreement}\nsources:\n  - {name: a, address: 192.0.2.1}\n  - {name: b, address: 192.0.2.2}\n'
    expect(briefly(problemsOf(yaml))).toEqual(['config-conflict test.yaml:1:20'])
  })

  test('holding without anything to wait for, and discarding without anything held', () => {
    expect(sentences('consent: {holdUntilConsent: true}')).toEqual([
      'test.yaml:1:29 consent holds recordings until there is consent, and requires none.',
    ])
    expect(sentences(`${SOURCE}{require: notice, onMissing: discard}`)).toEqual([
      'test.yaml:4:43 sources[0].consent.onMissing is discard, and nothing is held that could be discarded.',
    ])
  })

  test('one key with two meanings', () => {
    expect(sentences("consent: {keys: {yes: '1', no: '1'}}")).toEqual([
      'test.yaml:1:23 consent.keys gives two meanings to the same key.',
    ])
  })

  test.each([
    [
      "{yes: '1', withdraw: '19'}",
      'consent.keys.withdraw would never be heard: pressing it gives the answer of consent.keys.yes first.',
    ],
    [
      "{yes: '*', withdraw: '*9'}",
      'consent.keys.withdraw would never be heard: pressing it gives the answer of consent.keys.yes first.',
    ],
    [
      "{yes: '1', no: '2', withdraw: '*1#'}",
      'consent.keys.withdraw would never be heard: pressing it gives the answer of consent.keys.yes first.',
    ],
    [
      "{yes: '12', no: '1'}",
      'consent.keys.yes would never be heard: pressing it gives the answer of consent.keys.no first.',
    ],
    [
      "{yes: '12', withdraw: '123'}",
      'consent.keys.withdraw would never be heard: pressing it gives the answer of consent.keys.yes first.',
    ],
    [
      "{no: '9', withdraw: '99'}",
      'consent.keys.withdraw would never be heard: pressing it gives the answer of consent.keys.no first.',
    ],
  ])('keys that are another answer before they are all pressed: %s', (keys, sentence) => {
    expect(problemsOf(`consent: {keys: ${keys}}`).map((problem) => problem.sentence)).toEqual([sentence])
  })

  test('keys that end with another answer are none of these', () => {
    expect(sentences("consent: {keys: {yes: '9', no: '09', withdraw: '*9'}}")).toEqual([])
  })
})

describe('values that are none', () => {
  test.each([
    ['consent: {jurisdiction: us-fk}', 'consent.jurisdiction: no pack has "us-fk". Did you mean us-fl?'],
    ['consent: {jurisdiction: Germany}', 'consent.jurisdiction wants a jurisdiction, not "Germany".'],
    [`${SOURCE}{jurisdiction: dee}`, 'sources[0].consent.jurisdiction: no pack has "dee". Did you mean de?'],
    ['consent: {country: de}', 'consent.country wants a country, not "de".'],
    ["consent: {keys: {yes: 'one'}}", 'consent.keys.yes wants keys of a telephone, not "one".'],
    ['consent: {keys: {yes: 1}}', 'consent.keys.yes wants a text, not 1. Put it in quotes: "1".'],
    ["consent: {ownParties: ['*a*']}", 'consent.ownParties[0] cannot be "*a*".'],
    ['consent: {require: agree}', 'consent.require does not know "agree". It is one of none, notice'],
    ['consent: {deadline: 20}', 'consent.deadline wants a duration, not 20.'],
    ['consent: {packs: missing}', 'The folder of jurisdiction packs'],
  ])('%s', (yaml, expected) => {
    const [problem] = problemsOf(yaml)
    expect(`${problem?.sentence} ${problem?.hint}`).toContain(expected)
  })
})
