/** Says something to the person at the terminal. stdout is data and stays free for it. */
export function say(sentence) {
  process.stderr.write(`earwitness: ${sentence}\n`)
}

/** An error with what to do about it; {@link finish} prints both. */
export class SetUpError extends Error {
  constructor(code, message, hint) {
    super(message)
    this.code = code
    this.hint = hint
  }
}

/** Runs a whole script: its exit code becomes the process's, a SetUpError becomes two lines on stderr. */
export async function finish(script) {
  try {
    process.exitCode = await script()
  } catch (error) {
    if (!(error instanceof SetUpError)) throw error
    process.stderr.write(`earwitness: ${error.message} [${error.code}]\n  hint: ${error.hint}\n`)
    process.exitCode = 1
  }
}
