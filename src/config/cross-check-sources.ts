import { type Checking, report } from './checking.ts'
import { covers, parseNetwork } from './network.ts'
import type { RawConfig } from './schema.ts'

type RawSource = RawConfig['sources'][number]

/** Rules for `sources`: what would never match, match everything, or ask for a password that nobody can give. */
export function checkSources(checking: Checking): void {
  const sound = checking.raw.sources
    .map((source, index) => ({ source, index }))
    .filter(({ index }) => !checking.problems.concerns(`sources[${index}]`))
  for (const { source, index } of sound) {
    const before = sound.filter((other) => other.index < index)
    checkName(checking, source, index, before)
    checkCriteria(checking, source, index)
    checkUsers(checking, source, index)
    checkOrder(checking, source, index, before)
  }
}

type Numbered = readonly { readonly source: RawSource; readonly index: number }[]

function checkName(checking: Checking, source: RawSource, index: number, before: Numbered): void {
  const same = before.find((other) => other.source.name === source.name)
  if (same === undefined) return
  report(checking, 'config-conflict', [`sources[${index}].name`], {
    sentence: `sources[${index}] and sources[${same.index}] are both called "${source.name}".`,
    hint: 'Metrics and manifests tell sources apart by name; take another one.',
  })
}

function checkCriteria(checking: Checking, source: RawSource, index: number): void {
  const { address, tlsName, users } = source
  if (address.length === 0 && tlsName.length === 0 && users.length === 0) {
    report(checking, 'config-conflict', [`sources[${index}]`, `sources[${index}].name`], {
      sentence: `sources[${index}] has neither address nor tlsName nor users, and would match every SRC.`,
      hint: 'Give it at least one of them. For all others there is unknownSources.',
    })
  }
  if (tlsName.length > 0 && !checking.raw.sip.tls.requestCert) {
    report(checking, 'config-conflict', [`sources[${index}].tlsName[0]`], {
      sentence: `sources[${index}] has a tlsName, but no SRC is asked for a certificate.`,
      hint: 'Set sip.tls.requestCert: true, and in sip.tls.caFile the CA that signs your SRCs.',
    })
  }
}

function checkUsers(checking: Checking, source: RawSource, index: number): void {
  for (const [number, user] of source.users.entries()) {
    const path = `sources[${index}].users[${number}]`
    const place = [path, `${path}.name`]
    const earlier = source.users.slice(0, number).findIndex(({ name }) => name === user.name)
    if (earlier !== -1) {
      report(checking, 'config-conflict', place, {
        sentence: `${path} and users[${earlier}] have the same name.`,
        hint: 'Each user has one password; take one of them out.',
      })
    }
    const hasHash = user.ha1Sha256 !== null || user.ha1Md5 !== null
    if (user.password === null && !hasHash) {
      report(checking, 'config-conflict', place, {
        sentence: `${path} has no password.`,
        hint: 'Give password: file:/path or env:NAME, or its hash as ha1Sha256 or ha1Md5.',
      })
    }
    if (user.password !== null && hasHash) {
      report(checking, 'config-conflict', place, {
        sentence: `${path} has both a password and a hash of one.`,
        hint: 'All hashes are made from the password; take one of the two out.',
      })
    }
  }
  checkAlgorithms(checking, index)
}

/** A source whose users have no hash in common cannot be challenged with one that each can answer. */
function checkAlgorithms(checking: Checking, index: number): void {
  const source = checking.config.sources.find(({ name }) => name === checking.raw.sources[index]?.name)
  if (source === undefined || source.users.length === 0) return
  if (checking.problems.concerns(`sources[${index}].users`)) return
  const { digestAlgorithms, users } = source
  const common = digestAlgorithms.filter((algorithm) => users.every(({ ha1 }) => ha1.has(algorithm)))
  const listed = [`sources[${index}].digestAlgorithms[0]`, `sources[${index}].users[0].name`]
  if (common.length === 0) {
    report(checking, 'config-conflict', listed, {
      sentence: `sources[${index}] has no algorithm of digestAlgorithms that all its users can answer.`,
      hint: 'Give each user a password, or the same kind of hash.',
    })
  }
  const isClear = checking.config.sip.listen.some(({ transport }) => transport !== 'tls')
  if (common.length !== 1 || common[0] !== 'MD5' || !isClear) return
  checking.problems.warn({
    code: 'config-weak-password-hash',
    where: checking.origins.get(`sources[${index}].users[0].name`),
    sentence: `sources[${index}] asks for passwords with MD5 alone, and sip.listen has addresses without TLS.`,
    hint: 'Who listens on the way can try out passwords fast. Use SHA-256 or TLS where the SRC can, and a long random password.',
  })
}

/** The first source that fits is taken, so one that is covered by an earlier one never is. */
function checkOrder(checking: Checking, source: RawSource, index: number, before: Numbered): void {
  const covering = before.filter((earlier) => coversSource(earlier.source, source))
  const open = covering.find((earlier) => earlier.source.users.length === 0)
  const path = source.address.length > 0 ? `sources[${index}].address[0]` : `sources[${index}].name`
  if (open !== undefined) {
    const what = source.address.length > 0 ? source.address.join(', ') : 'it'
    report(checking, 'config-conflict', [path], {
      sentence: `sources[${index}] never matches: sources[${open.index}] covers ${what} and comes first.`,
      hint: 'Put narrow networks before wide ones, and each address once.',
    })
    return
  }
  const [asking] = covering
  if (asking !== undefined && source.users.length === 0) {
    report(checking, 'config-conflict', [path], {
      sentence: `sources[${index}] never matches: sources[${asking.index}] covers it, comes first, and asks for a password.`,
      hint: 'Put it before the other one, or give it users too.',
    })
  }
  for (const [number, { name }] of source.users.entries()) {
    const same = covering.find((earlier) => earlier.source.users.some((user) => user.name === name))
    if (same === undefined) continue
    report(checking, 'config-conflict', [`sources[${index}].users[${number}].name`], {
      sentence: `sources[${index}].users[${number}] is never asked: sources[${same.index}] has a user of this name, covers it, and comes first.`,
      hint: 'Take another name, or put the narrower source first.',
    })
  }
}

/** Whether everything that fits `inner` by address and certificate fits `outer`. */
function coversSource(outer: RawSource, inner: RawSource): boolean {
  const byAddress =
    outer.address.length === 0 ||
    (inner.address.length > 0 && inner.address.every((text) => outer.address.some((wide) => coversText(wide, text))))
  const byName =
    outer.tlsName.length === 0 ||
    (inner.tlsName.length > 0 && inner.tlsName.every((name) => outer.tlsName.some((wide) => coversName(wide, name))))
  return byAddress && byName
}

function coversText(wide: string, narrow: string): boolean {
  const [outer, inner] = [parseNetwork(wide), parseNetwork(narrow)]
  return outer.ok && inner.ok && covers(outer.value, inner.value)
}

function coversName(wide: string, narrow: string): boolean {
  const [outer, inner] = [wide.toLowerCase(), narrow.toLowerCase()]
  return outer === inner || outer === `*${inner.slice(Math.max(inner.indexOf('.'), 0))}`
}
