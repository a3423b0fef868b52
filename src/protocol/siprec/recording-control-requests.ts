/** What a request inside a recording session wants of the recorder. `stop` and `start` come without the dialog ending, so they pause and resume. */
export type ControlAction = 'pause' | 'resume' | 'stop' | 'start'

/** One header by which a client asks for it. */
export interface ControlHeader {
  readonly client: string
  /** In lower case. */
  readonly header: string
  /** First word of the value, in lower case, up to a `;`, `,` or blank. */
  readonly values: ReadonlyMap<string, ControlAction>
  /** Where this is known from. */
  readonly source: string
}

const PLAIN_WORDS: ReadonlyMap<string, ControlAction> = new Map([
  ['on', 'start'],
  ['off', 'stop'],
  ['start', 'start'],
  ['stop', 'stop'],
  ['pause', 'pause'],
  ['paused', 'pause'],
  ['resume', 'resume'],
  ['resumed', 'resume'],
])

const UNDOCUMENTED = 'no document of a vendor; the plain spelling, which nobody sends who means something else'

/**
 * Headers that pause and resume a recording. They come in INFO (RFC 6086 or older), some also in a re-INVITE or UPDATE; a value
 * that is not in the table is passed over.
 */
export const CONTROL_HEADERS: readonly ControlHeader[] = [
  {
    client: 'AudioCodes Mediant, and what speaks to it',
    header: 'x-ac-action',
    values: new Map([
      ['start-siprec', 'start'],
      ['stop-siprec', 'stop'],
      ['pause-siprec', 'pause'],
      ['resume-siprec', 'resume'],
    ]),
    source: 'AudioCodes Mediant user manual 7.4, "On-Demand SIPREC using SIP INFO Messages"',
  },
  {
    client: 'jambonz',
    header: 'x-reason',
    values: new Map([
      ['startcallrecording', 'start'],
      ['stopcallrecording', 'stop'],
      ['pausecallrecording', 'pause'],
      ['resumecallrecording', 'resume'],
    ]),
    source: 'jambonz-feature-server, pull requests 120 and 670: INFO towards its SBC, which may pass headers on',
  },
  {
    client: 'Yealink and other phones with a record key',
    header: 'record',
    values: PLAIN_WORDS,
    source: 'Yealink administrator guide, "Call Recording": INFO with Record: on, Record: off',
  },
  { client: 'any', header: 'x-record', values: PLAIN_WORDS, source: UNDOCUMENTED },
  { client: 'any', header: 'recording', values: PLAIN_WORDS, source: UNDOCUMENTED },
  { client: 'any', header: 'x-recording', values: PLAIN_WORDS, source: UNDOCUMENTED },
]

/** The first header of the table that the request has with a value of the table. */
export function readControlRequest(header: (name: string) => string | undefined): ControlAction | undefined {
  for (const { header: name, values } of CONTROL_HEADERS) {
    const action = values.get(firstWord(header(name) ?? ''))
    if (action !== undefined) return action
  }
  return undefined
}

/** True when nothing may be recorded from now on. */
export function pauses(action: ControlAction): boolean {
  return action === 'pause' || action === 'stop'
}

function firstWord(value: string): string {
  const word = value.trim()
  const end = word.search(/[;,\s]/)
  return (end < 0 ? word : word.slice(0, end)).replaceAll('"', '').toLowerCase()
}
