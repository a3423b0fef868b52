import type { ListedParticipant } from '../../server/database/queries.ts'

/** The name, else the address without its scheme, else the id. */
export function shortName({ participantId, aors }: ListedParticipant): string {
  const name = aors.map((entry) => entry.name?.trim() ?? '').find((text) => text !== '')
  return name ?? aors[0]?.aor.replace(/^(?:sips?|tel):/iu, '') ?? participantId
}
