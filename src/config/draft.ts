import type { TSchema } from 'typebox'
import { CONFIG_SCHEMA, isArraySchema, isObjectSchema, type RawConfig } from './schema.ts'

/**
 * The configuration while its sources are laid over each other: values by path, each with its origin.
 *
 * Keys come from the schema only, so that nothing a file contains becomes a property of an object.
 */
export class Draft {
  readonly #values = new Map<string, unknown>()
  readonly #lengths = new Map<string, number>()
  readonly #origins = new Map<string, string>()

  constructor() {
    this.#fill(CONFIG_SCHEMA, '')
  }

  get origins(): ReadonlyMap<string, string> {
    return this.#origins
  }

  set(path: string, value: unknown, origin: string): void {
    this.#values.set(path, value)
    this.#origins.set(path, origin)
  }

  lengthOf(listPath: string): number {
    return this.#lengths.get(listPath) ?? 0
  }

  /** Empties a list; what is set afterwards starts from nothing. */
  clearList(listPath: string, origin: string): void {
    for (const path of [...this.#values.keys(), ...this.#origins.keys()]) {
      if (!path.startsWith(`${listPath}[`)) continue
      this.#values.delete(path)
      this.#origins.delete(path)
    }
    this.#lengths.set(listPath, 0)
    this.#origins.set(listPath, origin)
  }

  /** Adds an item with the defaults of its keys and returns its path. */
  append(listPath: string, itemSchema: TSchema): string {
    const index = this.lengthOf(listPath)
    const path = `${listPath}[${index}]`
    this.#lengths.set(listPath, index + 1)
    this.#origins.delete(listPath)
    this.#fill(itemSchema, path)
    return path
  }

  /** Everything together. A key that has no default and was not given is undefined here: the caller has reported it. */
  assemble(): RawConfig {
    return this.#assemble(CONFIG_SCHEMA, '') as RawConfig
  }

  #fill(schema: TSchema, path: string): void {
    if (isObjectSchema(schema)) {
      for (const [key, child] of Object.entries(schema.properties))
        this.#fill(child, path === '' ? key : `${path}.${key}`)
      return
    }
    const fallback = (schema as { readonly default?: unknown }).default
    if (fallback === undefined) return
    if (!isArraySchema(schema)) {
      this.set(path, fallback, 'default')
      return
    }
    this.clearList(path, 'default')
    for (const item of fallback as readonly unknown[]) this.set(this.append(path, schema.items), item, 'default')
  }

  #assemble(schema: TSchema, path: string): unknown {
    if (isObjectSchema(schema)) {
      return Object.fromEntries(
        Object.entries(schema.properties).map(([key, child]) => [
          key,
          this.#assemble(child, path === '' ? key : `${path}.${key}`),
        ]),
      )
    }
    if (!isArraySchema(schema)) return this.#values.get(path)
    return Array.from({ length: this.lengthOf(path) }, (_, index) => this.#assemble(schema.items, `${path}[${index}]`))
  }
}
