/** Every tenant that recordings of this configuration may belong to; what no source claims is of `default`. */
export function tenantsOf(config: { readonly sources: readonly { readonly tenant: string }[] }): ReadonlySet<string> {
  return new Set(['default', ...config.sources.map(({ tenant }) => tenant)])
}
