import { describe, expect, test } from 'vitest'

import { TOKENS_MAX } from '../../../../src/server/announcer/announcement-tokens.ts'
import { asStreamId } from '../../../../src/ids.ts'
import type { HeaderLookup } from '../../../../src/protocol/siprec/dialog-facts.ts'
import { parseMetadata } from '../../../../src/protocol/siprec/parse-metadata.ts'
import type { MetadataSnapshot } from '../../../../src/protocol/siprec/metadata.ts'
import type { MediaStreamPlan } from '../../../../src/recorder/recording-types.ts'
import { CommunicationFacts, DIALOG_IDS_MAX } from '../../../../src/server/recording/communication-facts.ts'

const lookup = (headers: Readonly<Record<string, readonly string[]>>): HeaderLookup => {
  const all = (name: string): readonly string[] => headers[name.toLowerCase()] ?? []
  return { header: (name) => all(name)[0], headers: all }
}
const snapshotOf = (xml: string): MetadataSnapshot => {
  const parsed = parseMetadata(new TextEncoder().encode(`<recording>${xml}</recording>`))
  if (!parsed.ok) throw new Error(parsed.reason)
  return parsed.value
}
const plan = (index: number, label: string): MediaStreamPlan => ({
  streamId: asStreamId(String(index)),
  streamLabel: label,
  line: { label, index, labels: [label] },
  payloadTypes: new Map(),
  held: false,
  paused: false,
  keys: undefined,
})
const NOW = new Date('2026-11-23T10:00:00Z')
const ANN =
  '<participant participant_id="ann"/><stream stream_id="s"><label>1</label></stream>' +
  '<participantstreamassoc participant_id="ann"><send>s</send></participantstreamassoc>'

const factsOf = (headers: HeaderLookup, snapshot?: MetadataSnapshot): CommunicationFacts =>
  new CommunicationFacts({ headers, sdp: undefined, plans: [plan(0, '1')], snapshot, configuredDialect: undefined })

describe('tokens of an announcer', () => {
  const token = (mark: string): string =>
    `eyJhbGciOiJFZERTQSIsImtpZCI6Imt${mark}.eyJhbm5vdW5jZW1lbnRJZCI6IjAx.${mark.repeat(86)}`
  const inHeader = token('h')

  test('come in a header, also of a later offer, and in vendor data of any snapshot, in text, attribute or URI', () => {
    const facts = factsOf(lookup({ 'x-earwitness-consent': [inHeader] }))
    expect(facts.consentTokens).toEqual([inHeader])
    const vendor = `<v:callData xmlns:v="urn:v"><v:header name="X-Earwitness-Consent">${token('a')}</v:header></v:callData>`
    facts.apply(snapshotOf(`${ANN}${vendor}`), NOW)
    facts.apply(
      snapshotOf(`${ANN}<v:uri xmlns:v="urn:v" of="sip:1@h?X-Earwitness-Consent=${token('b')}&amp;x=1"/>`),
      NOW,
    )
    facts.noteOffer(lookup({ 'x-earwitness-consent': [token('c')] }), [plan(0, '1')], NOW)
    expect(facts.consentTokens).toEqual([inHeader, token('a'), token('b'), token('c')])
  })

  test('are no other texts, and not more than are looked at', () => {
    const facts = factsOf(lookup({}))
    const other = [`x${token('a')}`, `${token('a')}b`, token('a').slice(0, -1), token('a').replace('.', '')]
    facts.apply(snapshotOf(other.map((text) => `<v:d xmlns:v="urn:v">${text}</v:d>`).join('')), NOW)
    expect(facts.consentTokens).toEqual([])
    const many = 'abcdefghijkl'.split('').map((mark) => `<v:d xmlns:v="urn:v">${token(mark)}</v:d>`)
    facts.apply(snapshotOf(many.join('')), NOW)
    expect(facts.consentTokens).toHaveLength(TOKENS_MAX)
    expect(facts.consentTokens).toContain(token('a'))
    const atOnce = factsOf(lookup({}))
    atOnce.apply(snapshotOf(`<v:d xmlns:v="urn:v">${'abcdefghi'.split('').map(token).join(' ')}</v:d>`), NOW)
    expect(atOnce.consentTokens).toHaveLength(TOKENS_MAX)
  })
})

describe('what a dialog tells about its communication session', () => {
  test('begins with the client and the ids of its INVITE', () => {
    const headers = lookup({ 'user-agent': ['OpenSIPS (3.4)'], 'x-ucid': ['00001062071351848269'] })
    expect(factsOf(headers).takeOpening()).toEqual({
      dialect: 'opensips',
      correlationIds: [{ kind: 'ucid', value: '00001062071351848269' }],
    })
  })

  test('goes on with who is heard, and what later offers bring; each told once', () => {
    const facts = factsOf(lookup({}))
    facts.takeOpening()
    expect(facts.takeNews()).toBeUndefined()
    expect(facts.apply(snapshotOf(ANN), NOW).joined).toEqual(['ann'])
    expect(facts.takeNews()?.attributions).toMatchObject([{ streamId: '0', participantId: 'ann', to: undefined }])
    facts.noteOffer(lookup({ 'x-ucid': ['00001062071351848269'] }), [plan(0, '1')], NOW)
    expect(facts.takeNews()).toEqual({
      dialect: undefined,
      correlationIds: [{ kind: 'ucid', value: '00001062071351848269' }],
      attributions: [],
    })
    facts.noteOffer(lookup({ 'x-ucid': ['00001062071351848269'] }), [plan(0, '1')], NOW)
    expect(facts.takeNews()).toBeUndefined()
  })

  test('names the client as soon as metadata shows it', () => {
    const facts = factsOf(lookup({}))
    expect(facts.takeOpening().dialect).toBe('generic')
    facts.apply(snapshotOf('<session id="s"><e xmlns="http:/acmepacket.com/siprec/extensiondata"/></session>'), NOW)
    expect(facts.dialect).toBe('oracle')
    expect(facts.takeNews()?.dialect).toBe('oracle')
    expect(facts.takeNews()).toBeUndefined()
  })

  test('keeps at most so many ids', () => {
    const facts = factsOf(lookup({}))
    for (let index = 0; index < DIALOG_IDS_MAX + 5; index += 1) {
      facts.noteOffer(lookup({ 'x-ucid': [`${10 ** 19 + index}`.padStart(20, '1')] }), [], NOW)
      facts.noteOffer(lookup({ 'x-ucid': [`000010620713518${String(index).padStart(5, '0')}`] }), [], NOW)
    }
    expect(facts.takeOpening().correlationIds).toHaveLength(DIALOG_IDS_MAX)
  })
})
