import { accepted, rejected, type Result } from '../../result.ts'
import { paramValue } from './params.ts'
import { parseSipUri } from './uri.ts'

/** Prompts that one request may ask for, one after the other. */
export const ASKED_PROMPTS_MAX = 8
/** Longer values of parameters are no names of ours. */
const VALUE_LENGTH_MAX = 512

/** How an announcement is asked for. Every member but `user` may be left out. */
export interface AnnouncementUri {
  readonly user: string
  /** Names of prompts; empty when the recorder shall choose. */
  readonly promptIds: readonly string[]
  readonly mode: 'answer' | 'early' | 'refer' | undefined
  /** BCP 47, as asked for. */
  readonly language: string | undefined
  /** Where the call goes on: a URI as text, not yet looked at. */
  readonly target: string | undefined
  /** The number that was dialled. */
  readonly dialled: string | undefined
  readonly jurisdiction: string | undefined
  /** Call-ID of the call that will be recorded, where that is another. */
  readonly sipCallId: string | undefined
}

/** `uri`: not a SIP URI with a user. `escape`: a parameter cannot be unescaped, or is too long. `play`, `mode`: a value that means nothing. */
export type AnnouncementUriRejectReason = 'uri' | 'escape' | 'play' | 'mode'

/**
 * Reads the Request-URI of a call to the announcer: `sip:announce@host;play=notice;early=yes;target=sip%3A100%40pbx`.
 *
 * `play` names prompts, separated by commas. RFC 4240 3 puts a URL there: of one the last segment counts, without its extension, and nothing
 * is ever fetched. `early` is that of RFC 4240; `locale` (its language) may be called `language` as well. `mode`, `target`, `dialled`,
 * `jurisdiction` and `call-id` are ours.
 *
 * @see RFC 4240 3, RFC 3261 19.1
 */
export function readAnnouncementUri(text: string): Result<AnnouncementUri, AnnouncementUriRejectReason> {
  const uri = parseSipUri(text)
  if (!uri.ok || uri.value.user === undefined) return rejected('uri')
  const values = new Map<string, string>()
  for (const name of uri.value.params.keys()) {
    const value = unescaped(paramValue(uri.value.params, name) ?? '')
    if (value === undefined) return rejected('escape')
    if (value !== '') values.set(name, value)
  }
  const promptIds = (values.get('play') ?? '').split(',').filter((name) => name !== '')
  if (promptIds.length > ASKED_PROMPTS_MAX) return rejected('play')
  const mode = modeOf(values.get('mode'), values.get('early'))
  if (mode === 'unknown') return rejected('mode')
  return accepted({
    user: uri.value.user,
    promptIds: promptIds.map(lastSegment),
    mode,
    language: values.get('locale') ?? values.get('language'),
    target: values.get('target'),
    dialled: values.get('dialled'),
    jurisdiction: values.get('jurisdiction'),
    sipCallId: values.get('call-id'),
  })
}

function modeOf(mode: string | undefined, early: string | undefined): AnnouncementUri['mode'] | 'unknown' {
  if (mode !== undefined) return mode === 'answer' || mode === 'early' || mode === 'refer' ? mode : 'unknown'
  if (early === undefined) return undefined
  if (early === 'yes') return 'early'
  return early === 'no' ? 'answer' : 'unknown'
}

function lastSegment(name: string): string {
  const path = name.split(/[?#]/, 1)[0] ?? ''
  return path.slice(path.lastIndexOf('/') + 1).replace(/\.wav$/i, '')
}

function unescaped(value: string): string | undefined {
  if (value.length > VALUE_LENGTH_MAX) return undefined
  try {
    return decodeURIComponent(value)
  } catch {
    return undefined
  }
}
