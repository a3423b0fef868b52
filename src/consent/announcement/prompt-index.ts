import { accepted, rejected, type Result } from '../../result.ts'

/** Prompts in one index, each language counted. */
export const PROMPTS_MAX = 256
/** Characters of what a prompt says. */
export const PROMPT_TEXT_MAX = 4_000

/** One prompt in one language, as the index of the folder names it. */
export interface IndexedPrompt {
  /** The same for all languages of a prompt. */
  readonly id: string
  readonly version: string
  /** BCP 47 */
  readonly language: string
  /** A file beside the index. */
  readonly file: string
  /** What is said. */
  readonly text: string
  /** It asks for a key to be pressed. */
  readonly asks: boolean
}

/** What is wrong with an index; the detail of the result says where: `prompts[3].file`. */
export type PromptIndexRejectReason = 'shape' | 'tooMany' | 'value' | 'repeated'

const SHAPES: Readonly<Record<'id' | 'version' | 'language' | 'file' | 'text', RegExp>> = {
  id: /^[a-z0-9]+(?:-[a-z0-9]+)*$/,
  version: /^[A-Za-z0-9._-]{1,32}$/,
  language: /^[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*$/,
  file: /^[A-Za-z0-9][A-Za-z0-9._-]*\.wav$/,
  text: /\S/,
}
const ID_LENGTH_MAX = 64
const MEMBERS: ReadonlySet<string> = new Set([...Object.keys(SHAPES), 'asks'])

/** Reads `{ prompts: [{ id, version, language, file, text, asks? }] }`, as it stands in `index.yaml`. Never throws. */
export function readPromptIndex(value: unknown): Result<readonly IndexedPrompt[], PromptIndexRejectReason> {
  const prompts: unknown = isObject(value) ? value['prompts'] : undefined
  if (!isObject(value) || !Array.isArray(prompts)) return rejected('shape', 'prompts')
  if (prompts.length > PROMPTS_MAX) return rejected('tooMany', 'prompts')
  const read: IndexedPrompt[] = []
  for (const [index, entry] of prompts.entries()) {
    const where = `prompts[${index}]`
    const prompt = readPrompt(entry, where)
    if (!prompt.ok) return prompt
    const { id, language } = prompt.value
    if (read.some((other) => other.id === id && sameLanguage(other.language, language))) {
      return rejected('repeated', where)
    }
    read.push(prompt.value)
  }
  return accepted(read)
}

export function sameLanguage(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}

function readPrompt(entry: unknown, where: string): Result<IndexedPrompt, PromptIndexRejectReason> {
  if (!isObject(entry)) return rejected('shape', where)
  const foreign = Object.keys(entry).find((name) => !MEMBERS.has(name))
  if (foreign !== undefined) return rejected('shape', `${where}.${foreign}`)
  const texts: Record<string, string> = {}
  for (const [name, shape] of Object.entries(SHAPES)) {
    const text = entry[name]
    if (
      typeof text !== 'string' ||
      text.length > (name === 'text' ? PROMPT_TEXT_MAX : ID_LENGTH_MAX) ||
      !shape.test(text)
    ) {
      return rejected('value', `${where}.${name}`)
    }
    texts[name] = text
  }
  const asks = entry['asks'] ?? false
  if (typeof asks !== 'boolean') return rejected('value', `${where}.asks`)
  const { id = '', version = '', language = '', file = '', text = '' } = texts
  return accepted({ id, version, language, file, text, asks })
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
