import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { choosePrompts } from '../../consent/announcement/choose-prompts.ts'
import type { AnnouncementsConfig } from '../../config/config.ts'
import { readCorrelationValue } from '../../protocol/siprec/correlation-values.ts'
import { rejected, type Result } from '../../result.ts'
import type { AnnouncementTable } from './announcement-table.ts'
import type { Prompt } from './prompt-library.ts'
import type { MediaPathPlayer, MediaPathRejectReason } from './rtpengine-player.ts'

/** Who is to hear what. */
export interface MediaPathRequest {
  readonly sipCallId: string
  readonly tag: string
  readonly prompt?: string
  readonly language?: string
  readonly dialled?: string
  readonly jurisdiction?: string
}

/** `off`: no element in the media path is configured. `prompt`: there is no such prompt. `full`: too many play. */
export type MediaPathRefusal = 'off' | 'prompt' | 'full' | MediaPathRejectReason

export interface MediaPathOptions {
  readonly announcements: AnnouncementsConfig
  readonly prompts: readonly Prompt[]
  /** Undefined where none is configured. */
  readonly player: MediaPathPlayer | undefined
  readonly table: Pick<AnnouncementTable, 'put'>
  readonly over: (outcome: 'hangUp' | 'unknown', promptId: string) => void
  readonly failed: (error: unknown) => void
  readonly newId: () => string
  readonly nowUnixMs: () => number
}

/**
 * Has an element in the media path play a prompt to a party of a call, and keeps when its time is over what is known of it: that the element undertook to
 * play it, and whether the party had left by then. Nobody counted packets or knows how it ended, and the facts say so. Whether it was heard is found in
 * the audio (`consent.listening`), if at all.
 */
export class MediaPathAnnouncer {
  readonly #options: MediaPathOptions
  #playing = 0

  constructor(options: MediaPathOptions) {
    this.#options = options
  }

  /** Begins to play; the milliseconds that it will last. */
  async announce(request: MediaPathRequest): Promise<Result<number, MediaPathRefusal>> {
    const { announcements, player } = this.#options
    if (player === undefined) return rejected('off')
    if (this.#playing >= announcements.simultaneousMax) return rejected('full')
    const prompt = this.#choose(request)
    if (prompt === undefined) return rejected('prompt')
    this.#playing += 1
    const folder = announcements.rtpengine?.folder ?? announcements.folder
    const begun = player.play(request, join(folder, prompt.file))
    begun
      .then((lasts) => (lasts.ok ? this.#await(request, prompt, lasts.value) : undefined))
      .catch(this.#options.failed)
      .finally(() => {
        this.#playing -= 1
      })
    return begun
  }

  #choose({ prompt, language, dialled, jurisdiction }: MediaPathRequest): Prompt | undefined {
    const { announcements, prompts } = this.#options
    const chosen = choosePrompts(
      { promptIds: prompt === undefined ? [] : [prompt], language, dialled, jurisdiction, caller: undefined },
      { rules: announcements.rules, usual: announcements, index: prompts },
    )
    return chosen.ok ? chosen.value[0] : undefined
  }

  async #await(request: MediaPathRequest, { id, ref, totalMs }: Prompt, lastsMs: number): Promise<void> {
    const { player, table, over, newId, nowUnixMs } = this.#options
    await sleep(lastsMs, undefined, { ref: false })
    const isGone = (await player?.isGone(request)) === true
    const endCause = isGone ? 'hangUp' : 'unknown'
    const keptUnixMs = nowUnixMs()
    const fact = {
      type: 'announcementPlayed',
      ...{ prompt: ref, totalMs },
      mode: 'adapter',
      heardToEnd: isGone ? 'no' : 'unknown',
      endCause,
    } as const
    const facts = [{ at: new Date(keptUnixMs).toISOString(), fact }]
    const ids = readCorrelationValue('sipCallId', 'text', request.sipCallId)
    await table.put({ announcementId: newId(), source: undefined, ids, keptUnixMs, facts })
    over(endCause, id)
  }
}
