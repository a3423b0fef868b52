/** One capture of a scenario: who speaks in it, and what comes after it. */
export interface Capture {
  /** Without `.pcap`; a scenario with one capture calls it `media`, with several `media-1`, `media-2` and so on. */
  readonly file?: string
  /** Voices in the order of the ports; a hole among them is a media stream that is silent. Default: the first two. */
  readonly voices?: readonly number[]
  readonly codec?: 'PCMU' | 'PCMA'
  /** What the scenario waits between this capture and the next, in milliseconds. */
  readonly pauseAfterMs?: number
}

export interface Scenario {
  readonly folder: 'rfc8068' | 'dialects'
  readonly captures: readonly Capture[]
  /** Calls that SIPp makes of it, side by side. Default 1. */
  readonly sides?: number
  /** A re-INVITE adds media streams: their ports are neighbours of the first ones only when no other session opens meanwhile. */
  readonly grows?: boolean
  /** The offer has RTP/SAVP and the captures hold SRTP; the client speaks nothing but TLS. */
  readonly secure?: boolean
  /** What its makers use or advise. Default `udp`. */
  readonly transport?: 'udp' | 'tcp'
}

const HOLD_MS = 1_500
const rfc8068 = (...captures: readonly Capture[]): Scenario => ({ folder: 'rfc8068', captures })
const dialect = (...captures: readonly Capture[]): Scenario => ({ folder: 'dialects', captures })

const ONE: Capture = { voices: [0] }
const PCMA = 'PCMA'

/** Everything in sipp-scenarios that makes recordings, and the RTP that belongs to it. */
export const SCENARIOS = {
  'basic-two-streams': rfc8068({}),
  'bye-with-metadata': rfc8068({}),
  'hold-resume': rfc8068({ pauseAfterMs: 3_000 }, {}),
  'participant-change': rfc8068({}, {}),
  'audio-and-video': rfc8068({}),
  'hold-one-side': rfc8068({}, ONE, {}),
  'transfer-refer': rfc8068({}, {}),
  'mixed-basic': rfc8068(ONE),
  'mixed-hold-resume': rfc8068(ONE, ONE, ONE),
  'mixed-join-leave': rfc8068(ONE, ONE, ONE),
  'conference-separate': { ...rfc8068({}, { voices: [0, 1, 2] }, { voices: [0, 2] }), grows: true },
  persistent: rfc8068({ pauseAfterMs: HOLD_MS }, {}),
  turret: rfc8068(ONE),
  'delayed-offer': rfc8068(ONE),
  'recording-aware': rfc8068({}, {}, {}),
  'metadata-request': rfc8068({}),
  oracle: { ...dialect(ONE, { pauseAfterMs: HOLD_MS }, {}), grows: true },
  'oracle-contact-centre': dialect({ voices: [0, 1, 2, 3] }),
  audiocodes: { ...dialect({ codec: PCMA, pauseAfterMs: HOLD_MS }, { codec: PCMA }), transport: 'tcp' },
  'cisco-cube': dialect({ pauseAfterMs: HOLD_MS }, { codec: PCMA }),
  'cisco-cube-transfer': { ...dialect({}, {}), transport: 'tcp' },
  'cisco-phone': { ...dialect({ file: 'near', voices: [0] }, { file: 'far', voices: [1] }), sides: 2 },
  'avaya-sbce': { ...dialect(ONE, {}), grows: true },
  ribbon: dialect({ codec: PCMA }, { ...ONE, codec: PCMA }, { codec: PCMA }),
  metaswitch: dialect({ ...ONE, codec: PCMA, pauseAfterMs: HOLD_MS }, { ...ONE, codec: PCMA }, { ...ONE, codec: PCMA }),
  broadworks: dialect({ pauseAfterMs: HOLD_MS }, {}),
  'broadworks-conference': dialect(ONE),
  netsapiens: dialect({}, {}),
  opensips: { ...dialect({ codec: PCMA, pauseAfterMs: HOLD_MS }, { codec: PCMA }), transport: 'tcp' },
  jambonz: dialect({ pauseAfterMs: HOLD_MS }, {}),
  google: { ...dialect({}), secure: true },
  nena: { ...dialect({}), transport: 'tcp' },
  procomm: dialect({ codec: PCMA }),
} as const satisfies Readonly<Record<string, Scenario>>

export type ScenarioName = keyof typeof SCENARIOS

export const SCENARIO_NAMES = Object.keys(SCENARIOS) as readonly ScenarioName[]

/** The name of a capture's file. */
export function captureFile({ captures }: Scenario, index: number): string {
  return `${captures[index]?.file ?? (captures.length === 1 ? 'media' : `media-${index + 1}`)}.pcap`
}

/** Where the XML of a scenario lies. */
export function scenarioUrl(name: ScenarioName): URL {
  return new URL(`../../sipp-scenarios/${SCENARIOS[name].folder}/${name}.xml`, import.meta.url)
}
