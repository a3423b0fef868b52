import type { FindingList } from './findings.ts'

/** The names of all objects of a recording, up to `namesMax`; what is beyond is a finding. */
export async function listObjects(
  objects: { list(): AsyncIterable<string> | Promise<readonly string[]> },
  namesMax: number,
  findings: FindingList,
): Promise<readonly string[]> {
  const names: string[] = []
  for await (const name of await objects.list()) {
    if (names.length < namesMax) names.push(name)
    else {
      findings.add('objects-too-many', `There are more than ${namesMax} objects; the rest was not looked at.`)
      break
    }
  }
  return names
}
