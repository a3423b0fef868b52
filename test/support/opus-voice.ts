import { mulberry32 } from './random.ts'

/** Something like a voice that never pauses: a gliding pitch with overtones, in syllables, and a little noise. */
export function voice(sampleRate: number, seconds: number, seed = 1): Int16Array {
  const random = mulberry32(seed)
  let phase = 0
  return Int16Array.from({ length: sampleRate * seconds }, (_, index) => {
    const at = index / sampleRate
    phase += (2 * Math.PI * (120 + 40 * Math.sin(at * 5.1) + 25 * Math.sin(at * 1.7))) / sampleRate
    const syllable = 0.55 + 0.45 * Math.sin(at * 22)
    let sum = 0
    for (let overtone = 1; overtone <= 12; overtone++) sum += Math.sin(overtone * phase) / overtone
    return Math.round(syllable * (5_000 * sum + 150 * (random() - 0.5)))
  })
}
