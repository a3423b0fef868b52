import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { setTimeout as delay } from 'node:timers/promises'

import type { VaultTransitConfig } from '../../config/config.ts'
import { EarwitnessError } from '../../errors.ts'
import { backoffMs } from '../storage/backoff.ts'
import { errnoOf } from '../storage/storage-error.ts'
import { readCaFile } from './ca-file.ts'
import { readAnswerBytes } from './answer-bytes.ts'
import { isTlsFault, keyServiceError } from './key-service-error.ts'
import type { KeyServiceApi, ServiceKeyName } from './key-service.ts'

const ATTEMPTS_MAX = 3
const PAUSE = { firstMs: 200, lastMs: 2_000 }
interface Answer {
  readonly status: number
  readonly body: unknown
}

/**
 * Asks the Transit engine of HashiCorp Vault, or of OpenBao, over its HTTP API. Not by `fetch`, which takes no CA of one's own; redirects are not followed, since the token must not go elsewhere.
 */
export class VaultTransit implements KeyServiceApi {
  readonly #config: VaultTransitConfig

  constructor(config: VaultTransitConfig) {
    this.#config = config
  }

  async decrypt({ key, version }: ServiceKeyName, ciphertext: Uint8Array): Promise<Uint8Array | 'invalid'> {
    const body = { ciphertext: `vault:v${version}:${Buffer.from(ciphertext).toString('base64')}` }
    const answer = await this.#ask({ path: `decrypt/${key}`, body, key })
    if (answer === 'invalid') return 'invalid'
    const text = memberOf(memberOf(answer.body, 'data'), 'plaintext')
    if (typeof text !== 'string') throw keyServiceError('vault-transit', 'answer', { key })
    return Uint8Array.from(Buffer.from(text, 'base64'))
  }

  async publicKey({ key, version }: ServiceKeyName): Promise<Uint8Array> {
    const answer = await this.#ask({ path: `keys/${key}`, key })
    const versions = answer === 'invalid' ? undefined : memberOf(memberOf(answer.body, 'data'), 'keys')
    const pem = memberOf(memberOf(versions, String(version)), 'public_key')
    if (versions !== undefined && pem === undefined)
      throw keyServiceError('vault-transit', 'keyMissing', { key, detail: `no public key of version ${version}` })
    const block = typeof pem === 'string' ? /-----BEGIN PUBLIC KEY-----([\s\S]+?)-----END/u.exec(pem)?.[1] : undefined
    if (block === undefined) throw keyServiceError('vault-transit', 'answer', { key })
    return Uint8Array.from(Buffer.from(block, 'base64'))
  }

  async #ask(asked: {
    readonly path: string
    readonly body?: object
    readonly key: string
  }): Promise<Answer | 'invalid'> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return meaningOf(await this.#send(asked), asked.key)
      } catch (error) {
        const isAway = error instanceof EarwitnessError && error.code === 'vault-service-away'
        if (!isAway || attempt >= ATTEMPTS_MAX) throw error
        await delay(backoffMs(attempt, PAUSE, Math.random()))
      }
    }
  }

  async #send({
    path,
    body,
    key,
  }: {
    readonly path: string
    readonly body?: object
    readonly key: string
  }): Promise<Answer> {
    const { address, token, mount, namespace, caFile, requestTimeoutMs } = this.#config
    if (address === undefined || token === undefined) throw keyServiceError('vault-transit', 'address', { key })
    const url = new URL(`/v1/${mount}/${path}`, address)
    const content = body === undefined ? undefined : JSON.stringify(body)
    const options = {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        ...{ 'x-vault-token': token, 'x-vault-request': 'true' },
        ...(namespace === undefined ? {} : { 'x-vault-namespace': namespace }),
        ...(content === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(caFile === undefined ? {} : { ca: readCaFile(caFile, 'vault-transit') }),
      ...{ agent: false, signal: AbortSignal.timeout(requestTimeoutMs) },
    }
    try {
      return await new Promise<Answer>((resolve, reject) => {
        const send = url.protocol === 'https:' ? httpsRequest : httpRequest
        const request = send(url, options, (response) => {
          readAnswer(response).then(resolve, reject)
        })
        request.on('error', reject)
        request.end(content)
      })
    } catch (error) {
      if (error instanceof EarwitnessError) throw error
      const code = errnoOf(error)
      throw keyServiceError('vault-transit', isTlsFault(code) ? 'tls' : 'away', { key, detail: code, cause: error })
    }
  }
}

async function readAnswer(response: IncomingMessage): Promise<Answer> {
  const bytes = await readAnswerBytes(response, 'vault-transit')
  let body: unknown
  try {
    body = JSON.parse(bytes.toString('utf8'))
  } catch {
    body = undefined
  }
  return { status: response.statusCode ?? 0, body }
}

/** @throws EarwitnessError of `key-service-error` */
function meaningOf(answer: Answer, key: string): Answer | 'invalid' {
  const { status, body } = answer
  if (status === 200) return answer
  const errors = memberOf(body, 'errors')
  const said = Array.isArray(errors) ? errors.filter((one) => typeof one === 'string').join('; ') : ''
  const detail = `${status}${said === '' ? '' : ` ${said.replaceAll(/\s+/gu, ' ')}`}`
  if (status === 403) throw keyServiceError('vault-transit', 'denied', { key, detail })
  // What the padding does not fit is a fault of the server, by its own words: 500.
  if (said.includes('failed to RSA decrypt')) return 'invalid'
  if (status === 404 || said.includes('key not found'))
    throw keyServiceError('vault-transit', 'keyMissing', { key, detail })
  if (said.includes('disallowed by policy') || said.includes('does not exist'))
    throw keyServiceError('vault-transit', 'keyDisabled', { key, detail })
  if (status === 400 && said.includes('invalid ciphertext')) return 'invalid'
  const isAway = status === 412 || status === 429 || status >= 472
  throw keyServiceError('vault-transit', isAway ? 'away' : 'answer', { key, detail })
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined
}
