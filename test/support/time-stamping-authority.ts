import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { promisify } from 'node:util'

const run = promisify(execFile)

const CONFIG = `
[tsa]
default_tsa = here
[here]
serial = serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ordering = no
tsa_name = no
ess_cert_id_chain = no
`
const EXTENSIONS = ['extendedKeyUsage=critical,timeStamping', 'keyUsage=critical,digitalSignature']

/** OpenSSL as a time stamping authority (RFC 3161) behind HTTP on loopback, with a certificate of its own. */
export interface TimeStampingAuthority {
  readonly url: string
  readonly certificateFile: string
  /** What is answered instead, from now on. */
  answer: ((query: Uint8Array, honest: () => Promise<Uint8Array>) => Promise<Uint8Array>) | undefined
  close(): Promise<void>
}

export async function startAuthority(): Promise<TimeStampingAuthority> {
  const folder = await mkdtemp(join(tmpdir(), 'earwitness-tsa-'))
  await writeFile(join(folder, 'tsa.cnf'), CONFIG)
  await writeFile(join(folder, 'serial'), '01\n')
  const extensions = EXTENSIONS.flatMap((extension) => ['-addext', extension])
  const made = ['-newkey', 'rsa:2048', '-nodes', '-keyout', 'key.pem', '-out', 'ca.pem', '-subj', '/CN=tsa.example.com']
  await run('openssl', ['req', '-x509', ...made, '-days', '30', ...extensions], { cwd: folder })
  let asked = 0
  const honest = async (query: Uint8Array): Promise<Uint8Array> => {
    asked += 1
    const [queryFile, replyFile] = [`${asked}.tsq`, `${asked}.tsr`]
    await writeFile(join(folder, queryFile), query)
    const signer = ['-config', 'tsa.cnf', '-section', 'here', '-signer', 'ca.pem', '-inkey', 'key.pem']
    await run('openssl', ['ts', '-reply', '-queryfile', queryFile, ...signer, '-out', replyFile], { cwd: folder })
    return readFile(join(folder, replyFile))
  }
  // One after the other: the serial is in a file.
  let last: Promise<unknown> = Promise.resolve()
  const server = createServer((request, response) => {
    last = last
      .then(async () => {
        const query = await buffer(request)
        const reply = await (authority.answer?.(query, () => honest(query)) ?? honest(query))
        response.writeHead(200, { 'Content-Type': 'application/timestamp-reply' }).end(reply)
      })
      .catch(() => response.writeHead(500).end())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const authority: TimeStampingAuthority = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/tsa`,
    certificateFile: join(folder, 'ca.pem'),
    answer: undefined,
    close: async () => {
      server.closeAllConnections()
      server.close()
      await last
      await rm(folder, { recursive: true, force: true })
    },
  }
  return authority
}
