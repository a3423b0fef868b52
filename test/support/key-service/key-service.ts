import { constants, privateDecrypt } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

import type { VaultProvider } from '../../../src/evidence/vault-recipient.ts'
import { rsaVault, vectorText } from '../../vectors/evidence/sample-recording.ts'
import { signatureFault } from './sigv4.ts'

export const KMS_KEY = 'arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-4000-8000-000000000001'
export const KMS_CREDENTIALS = { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'a secret of the tests' }
export const TRANSIT_KEY = 'recordings'
export const TRANSIT_TOKEN = 'hvs.token-of-the-tests'
export const TRANSIT_NAMESPACE = 'voice'

export interface TestKeyService {
  readonly url: string
  /** `TrentService.Decrypt KEY`, `POST /v1/…` of what was let in, as an audit log has it. */
  readonly log: string[]
  /** Answered to every request in the place of the right answer, until it is undefined again. */
  fault: { readonly status: number; readonly body: string } | 'hangUp' | undefined
  /** The same for the next requests only. */
  faultsLeft: number
  /** Whose private half is used: that of another key makes every ciphertext wrong. */
  keys: Readonly<Record<VaultProvider, VaultProvider>>
  stop(): Promise<void>
}

/** @param tls certificate and key, for https */
export async function startKeyService(tls?: ServerOptions): Promise<TestKeyService> {
  const listener: RequestListener = (request, response) => {
    void answer(service, request, response)
  }
  const server: Server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const service: TestKeyService = {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    log: [],
    fault: undefined,
    faultsLeft: Number.POSITIVE_INFINITY,
    keys: { 'aws-kms': 'aws-kms', 'vault-transit': 'vault-transit' },
    async stop() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
  return service
}

async function answer(service: TestKeyService, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await buffer(request)
  const { fault } = service
  if (fault !== undefined && service.faultsLeft > 0) {
    service.faultsLeft -= 1
    if (fault === 'hangUp') request.socket.destroy()
    else response.writeHead(fault.status, { 'content-type': 'application/json' }).end(fault.body)
    return
  }
  const isKms = request.headers['x-amz-target'] !== undefined
  const { status, value } = isKms ? askKms(service, request, body) : askTransit(service, request, body)
  response.writeHead(status, { 'content-type': isKms ? 'application/x-amz-json-1.1' : 'application/json' })
  response.end(JSON.stringify(value))
}

interface Answer {
  readonly status: number
  readonly value: unknown
}

function askKms(service: TestKeyService, request: IncomingMessage, body: Uint8Array): Answer {
  const refuse = (type: string): Answer => ({ status: 400, value: { __type: type, message: `refused: ${type}` } })
  const fault = signatureFault(request, body, KMS_CREDENTIALS)
  if (fault !== undefined) return refuse(fault)
  const asked = JSON.parse(Buffer.from(body).toString('utf8')) as Readonly<Record<string, string>>
  const target = String(request.headers['x-amz-target'])
  service.log.push(`${target} ${asked['KeyId']}`)
  if (asked['KeyId'] !== KMS_KEY) return refuse('NotFoundException')
  const key = service.keys['aws-kms']
  if (target === 'TrentService.GetPublicKey') {
    const value = { KeyId: KMS_KEY, PublicKey: rsaVault[key].spki, KeySpec: 'RSA_3072', KeyUsage: 'ENCRYPT_DECRYPT' }
    return { status: 200, value }
  }
  if (target !== 'TrentService.Decrypt') return refuse('UnknownOperationException')
  if (asked['EncryptionAlgorithm'] !== 'RSAES_OAEP_SHA_256') return refuse('InvalidKeyUsageException')
  const clear = decrypt(key, asked['CiphertextBlob'] ?? '')
  if (clear === undefined) return refuse('InvalidCiphertextException')
  const value = { KeyId: KMS_KEY, Plaintext: clear, EncryptionAlgorithm: 'RSAES_OAEP_SHA_256' }
  return { status: 200, value }
}

function askTransit(service: TestKeyService, request: IncomingMessage, body: Uint8Array): Answer {
  const refuse = (status: number, ...errors: string[]): Answer => ({ status, value: { errors } })
  const token = request.headers['x-vault-token']
  const namespace = request.headers['x-vault-namespace']
  if (token !== TRANSIT_TOKEN || namespace !== TRANSIT_NAMESPACE) return refuse(403, 'permission denied')
  service.log.push(`${request.method} ${request.url}`)
  const key = service.keys['vault-transit']
  const [, mount, verb, name] =
    /^\/v1\/(teams\/transit)\/(keys|decrypt)\/([A-Za-z0-9_.-]+)$/u.exec(request.url ?? '') ?? []
  if (mount === undefined) return refuse(404, 'no handler for route')
  if (verb === 'keys') {
    if (name !== TRANSIT_KEY) return refuse(404)
    const keys = { 1: { name: 'rsa-4096', public_key: vectorText(`rsa-vault/${key}.pub.pem`) } }
    return { status: 200, value: { data: { type: 'rsa-4096', latest_version: 1, keys } } }
  }
  if (name !== TRANSIT_KEY) return refuse(400, 'encryption key not found')
  const { ciphertext = '' } = JSON.parse(Buffer.from(body).toString('utf8')) as { ciphertext?: string }
  const [, version, base64] = /^vault:v(\d+):([A-Za-z0-9+/=]+)$/u.exec(ciphertext) ?? []
  if (base64 === undefined) return refuse(400, 'invalid ciphertext: no prefix')
  if (version !== '1') return refuse(400, 'invalid ciphertext: version is too new')
  const plaintext = decrypt(key, base64)
  if (plaintext === undefined)
    return refuse(500, '1 error occurred:\n\t* failed to RSA decrypt the ciphertext: crypto/rsa: decryption error\n\n')
  return { status: 200, value: { data: { plaintext } } }
}

/** In Base64; undefined when the padding does not fit. */
function decrypt(key: VaultProvider, ciphertext: string): string | undefined {
  const padding = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }
  try {
    const options = { key: vectorText(`rsa-vault/${key}.pem`), ...padding }
    return privateDecrypt(options, Buffer.from(ciphertext, 'base64')).toString('base64')
  } catch {
    return undefined
  }
}
