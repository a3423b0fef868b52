import { openSealed } from '../../evidence/age-open.ts'
import type { ReportedPerson } from '../../evidence/bundle/report-html.ts'
import type { ManifestBody } from '../../evidence/manifest.ts'
import type { ObjectReader } from '../../evidence/verify.ts'
import { parseMetadata } from '../../protocol/siprec/parse-metadata.ts'

/** Participants of one recording that are named in a report. */
const PEOPLE_MAX = 500
/** Names of one participant, over all snapshots. */
const NAMES_MAX = 20

/**
 * Who is named in the metadata, over all its snapshots: names and addresses as the SRC wrote them. What does not open or cannot be
 * read names nobody.
 */
export async function reportedPeople(
  manifest: ManifestBody,
  objects: ObjectReader,
  identities: readonly string[],
): Promise<readonly ReportedPerson[]> {
  const people = new Map<string, Set<string>>()
  for (const { name, mediaType } of manifest.snapshots) {
    if (mediaType !== undefined) continue
    const sealed = await objects.get(name)
    const opened = sealed === undefined ? undefined : await openSealed(sealed, identities)
    const parsed = opened?.ok === true ? parseMetadata(opened.value) : undefined
    if (parsed?.ok !== true) continue
    for (const { participantId, aors } of parsed.value.participants) {
      const names = people.get(participantId) ?? new Set<string>()
      if (people.size < PEOPLE_MAX) people.set(participantId, names)
      for (const { aor, name } of aors) {
        const text = name === undefined ? aor : `${name} (${aor})`
        if (names.size < NAMES_MAX) names.add(text)
      }
    }
  }
  return Array.from(people, ([participantId, names]) => ({ participantId, names: [...names] }))
}
