import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { Command } from '../../../src/cli/command.ts'
import { COMMANDS } from '../../../src/cli/commands.ts'
import { EarwitnessError, ExitCode } from '../../../src/errors.ts'
import { parseIdentityFile, recipientOfIdentity } from '../../../src/evidence/age-keys.ts'
import { run } from './support.ts'

const folder = mkdtempSync(join(tmpdir(), 'earwitness-cli-'))
afterAll(() => rmSync(folder, { recursive: true }))

function commandThat(work: Command['run']): Command {
  return { name: 'work', summary: 'works', usage: 'work', options: {}, run: work }
}

describe('help', () => {
  test('without a command goes to stderr with exit code 2, on demand to stdout with 0', async () => {
    expect(await run([])).toMatchObject({
      exitCode: ExitCode.usage,
      stdout: '',
      stderr: expect.stringContaining('Usage:'),
    })
    expect(await run(['--help'])).toMatchObject({
      exitCode: ExitCode.done,
      stdout: expect.stringContaining('Usage:'),
      stderr: '',
    })
    expect((await run(['help'])).stdout).toBe((await run(['-h'])).stdout)
  })

  test('lists every command', async () => {
    const { stdout } = await run(['--help'])
    for (const { name, summary } of COMMANDS) expect(stdout).toMatch(new RegExp(`^ {2}${name} +${summary}$`, 'mu'))
  })

  test('of a command shows its options and examples', async () => {
    const { stdout, exitCode } = await run(['keygen', '--help'])
    expect(exitCode).toBe(ExitCode.done)
    expect(stdout).toContain('-o, --output FILE')
    expect(stdout).toContain('  earwitness keygen -o vault.agekey')
    expect((await run(['help', 'keygen'])).stdout).toBe(stdout)
  })

  test('fits the terminal', async () => {
    const { stdout } = await run(['check-config', '--help'], { columns: 60, env: { NO_COLOR: '1' } })
    expect(stdout.split('\n').filter((line) => line.length > 60)).toEqual([])
  })
})

describe('errors', () => {
  test('an unknown command is told with the one that was meant', async () => {
    const { exitCode, stderr } = await run(['verfy'])
    expect(exitCode).toBe(ExitCode.usage)
    expect(stderr).toBe(
      'error: There is no command "verfy". [usage-unknown-command]\n' +
        'hint: Did you mean "verify"? "earwitness --help" lists the commands.\n',
    )
  })

  test('an option before the command is told as that', async () => {
    expect((await run(['--json', 'status'])).stderr).toContain('usage-unknown-option')
  })

  test('have the exit code they carry', async () => {
    const command = commandThat(() => {
      throw new EarwitnessError('some-code', 'It did not work.', 'Try again.', {
        exitCode: ExitCode.verificationFailed,
      })
    })
    expect(await run(['work'], { command })).toEqual({
      exitCode: ExitCode.verificationFailed,
      stdout: '',
      stderr: 'error: It did not work. [some-code]\nhint: Try again.\n',
    })
  })

  test('with --json are one JSON object a line', async () => {
    const command = commandThat(() => Promise.reject(new EarwitnessError('some-code', 'No.', 'Try again.')))
    const { stderr, exitCode } = await run(['work', '--json'], { command })
    expect(exitCode).toBe(ExitCode.failed)
    expect(JSON.parse(stderr)).toEqual({ error: { code: 'some-code', message: 'No.', hint: 'Try again.' } })
  })

  test('that are ours show where they come from', async () => {
    const command = commandThat(() => Promise.reject(new TypeError('oops')))
    const { stderr, exitCode } = await run(['work'], { command })
    expect(exitCode).toBe(ExitCode.failed)
    expect(stderr).toContain('oops [internal]')
    expect(stderr).toContain('command-line.test.ts')
  })

  test('cannot steer the terminal', async () => {
    const command = commandThat(() =>
      Promise.reject(new EarwitnessError('c', 'bad \u001b]0;x\u0007 name', 'no\u001b[2J')),
    )
    expect((await run(['work'], { command })).stderr).not.toContain('\u001b')
  })
})

describe('the configuration of a command', () => {
  test('is loaded when it is asked for, and once', async () => {
    const command = commandThat((context) => {
      expect(context.config()).toBe(context.config())
      return Promise.resolve(ExitCode.done)
    })
    expect((await run(['work'], { command, cwd: folder })).exitCode).toBe(ExitCode.done)
    const idle = commandThat(() => Promise.resolve(ExitCode.done))
    expect((await run(['work', '--config', 'missing.yaml'], { command: idle })).exitCode).toBe(ExitCode.done)
  })

  test('mistakes in it are listed one by one', async () => {
    writeFileSync(join(folder, 'bad.yaml'), 'rtp: {portMn: 2}\nlog: {level: loud}\n')
    const { stderr, exitCode } = await run(['check-config', '--config', 'bad.yaml'], { cwd: folder })
    expect(exitCode).toBe(ExitCode.failed)
    expect(stderr.match(/^error: bad\.yaml:\d+:\d+: .* \[config-[a-z-]+\]$/gmu)).toHaveLength(2)
    expect(stderr.match(/^hint: /gmu)).toHaveLength(2)
  })
})

describe('check-config', () => {
  test('shows every value with its origin', async () => {
    writeFileSync(
      join(folder, 'good.yaml'),
      'rtp:\n  portMin: 20000\ndatabase:\n  url: postgres://u:swordfish@db.example.com/e\n',
    )
    const env = { EARWITNESS_LOG_LEVEL: 'warn', EARWITNESS_CONFIG: 'good.yaml' }
    const { stdout, stderr, exitCode } = await run(['check-config'], { cwd: folder, env })
    expect(exitCode).toBe(ExitCode.done)
    expect(stdout).toMatch(/^rtp\.portMin +20000 +good\.yaml:2:12$/mu)
    expect(stdout).toMatch(/^database\.url +\*\*\* +good\.yaml:4:8$/mu)
    expect(stdout).toMatch(/^log\.level +warn +env EARWITNESS_LOG_LEVEL$/mu)
    expect(stdout).toMatch(/^drainTimeout +20s +default$/mu)
    expect(stdout + stderr).not.toContain('swordfish')
    expect(stderr).toContain('good.yaml is fine.')
  })

  test('with --json gives the same as data', async () => {
    const { stdout, stderr } = await run(['check-config', '--json'], { cwd: folder })
    const { file, values } = JSON.parse(stdout) as { file: unknown; values: { path: string }[] }
    expect(file).toBeNull()
    expect(values).toContainEqual({ path: 'sip.listen[1]', value: 'tcp:0.0.0.0:5060', origin: 'default' })
    expect(stderr).toBe('')
  })

  test('warns of what works and is unwise, without calling it wrong', async () => {
    const users = '[{name: sbc, password: swordfish}]'
    writeFileSync(
      join(folder, 'weak.yaml'),
      `sources: [{name: a, address: 192.0.2.1, digestAlgorithms: [MD5], users: ${users}}]`,
    )
    const weak = ['check-config', '--config', 'weak.yaml']
    const { stdout, stderr, exitCode } = await run(weak, { cwd: folder })
    expect(exitCode).toBe(ExitCode.done)
    expect(stderr).toMatch(/^warning: weak\.yaml:1:\d+: sources\[0\] asks for passwords with MD5 alone/mu)
    expect(stdout).toMatch(/^sources\[0\]\.users\[0\]\.password +\*\*\*/mu)
    expect(stdout + stderr).not.toContain('swordfish')
    const asData = await run([...weak, '--json'], { cwd: folder })
    expect((JSON.parse(asData.stdout) as { warnings: unknown[] }).warnings).toMatchObject([
      { code: 'config-weak-password-hash' },
    ])
  })

  test('lists the variables', async () => {
    const { stdout } = await run(['check-config', '--variables'])
    expect(stdout).toMatch(/^EARWITNESS_RTP_PORT_MIN +rtp\.portMin$/mu)
    expect(stdout).toMatch(/^EARWITNESS_SIP_LISTEN_0 +sip\.listen\[0\]$/mu)
    expect(stdout).toMatch(/^EARWITNESS_CONFIG /mu)
  })
})

describe('keygen', () => {
  test('writes a private key that only its owner can read, and prints the recipient', async () => {
    const { stdout, stderr, exitCode } = await run(['keygen', '-o', 'vault.agekey'], { cwd: folder })
    expect(exitCode).toBe(ExitCode.done)
    const file = join(folder, 'vault.agekey')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const identities = parseIdentityFile(readFileSync(file, 'utf8'))
    const recipient = identities.ok ? recipientOfIdentity(identities.value[0] ?? '') : undefined
    expect(recipient).toEqual({ ok: true, value: stdout.trim() })
    expect(stdout + stderr).not.toContain('AGE-SECRET-KEY')
    writeFileSync(join(folder, 'vault.yaml'), `vault: {recipients: [${stdout.trim()}]}`)
    expect((await run(['check-config', '--config', 'vault.yaml'], { cwd: folder })).exitCode).toBe(ExitCode.done)
  })

  test('never overwrites a file', async () => {
    writeFileSync(join(folder, 'precious'), 'keep me')
    const { stdout, stderr, exitCode } = await run(['keygen', '-o', 'precious'], { cwd: folder })
    expect([exitCode, stdout]).toEqual([ExitCode.failed, ''])
    expect(stderr).toContain('[keygen-file-exists]')
    expect(readFileSync(join(folder, 'precious'), 'utf8')).toBe('keep me')
  })

  test('says so when the folder is missing', async () => {
    expect((await run(['keygen', '-o', 'missing/key'], { cwd: folder })).stderr).toContain('[keygen-not-written]')
  })
})
