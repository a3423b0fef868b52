import { EventHub } from '../../src/server/http/event-hub.ts'
import type { AudioRoutesOptions } from '../../src/server/http/audio-routes.ts'
import type { EventRoutesOptions } from '../../src/server/http/event-routes.ts'

/** What an API server needs of an event stream in which nothing happens. */
export const NO_EVENTS: EventRoutesOptions = {
  hub: new EventHub({ run: 'test', nowUnixMs: Date.now }),
  askLevels: async () => [],
  nowUnixMs: Date.now,
  onCut: () => {},
}

/** And of one with which nobody can listen. */
export const NO_AUDIO: AudioRoutesOptions = {
  listen: async () => ({ ok: false, reason: 'off' }),
  onListenerCut: () => {},
}
