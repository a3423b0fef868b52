import { report, type Checking } from './checking.ts'

/** What the keys of `announcements` need of each other, and of others. */
export function checkAnnouncements(checking: Checking): void {
  checkPorts(checking)
  checkAnswer(checking)
  checkTargets(checking)
}

function checkPorts(checking: Checking): void {
  const { config, problems } = checking
  const { portMin, portMax, simultaneousMax, enabled } = config.announcements
  const [minPath, maxPath] = ['announcements.portMin', 'announcements.portMax']
  if (problems.concerns(minPath) || problems.concerns(maxPath)) return
  const pairs = 'RTP takes the even port of a pair and RTCP the odd one after it.'
  if (portMin % 2 !== 0) {
    const sentence = `${minPath} is ${portMin}, which is odd.`
    report(checking, 'config-invalid-value', [minPath], { sentence, hint: `Take ${portMin + 1}. ${pairs}` })
  }
  if (portMax % 2 !== 1) {
    const sentence = `${maxPath} is ${portMax}, which is even.`
    report(checking, 'config-invalid-value', [maxPath], { sentence, hint: `Take ${portMax - 1}. ${pairs}` })
  }
  if (!enabled || problems.concerns('rtp')) return
  if (portMin <= config.rtp.portMax && portMax >= config.rtp.portMin) {
    report(checking, 'config-conflict', [minPath, maxPath, 'rtp.portMin'], {
      sentence: `The ports of announcements (${portMin} to ${portMax}) overlap those of recording sessions (${config.rtp.portMin} to ${config.rtp.portMax}).`,
      hint: 'Move one of the two ranges.',
    })
  }
  if (portMax - portMin + 1 < 2 * simultaneousMax) {
    report(checking, 'config-conflict', [maxPath, 'announcements.simultaneousMax'], {
      sentence: `announcements.simultaneousMax is ${simultaneousMax}, and the ports ${portMin} to ${portMax} are not two for each.`,
      hint: `Give it ${2 * simultaneousMax} ports, or take fewer announcements at once.`,
    })
  }
}

function checkAnswer(checking: Checking): void {
  const { yes, no } = checking.raw.announcements.answer
  if (yes !== no) return
  report(checking, 'config-conflict', ['announcements.answer.no', 'announcements.answer.yes'], {
    sentence: `announcements.answer.yes and announcements.answer.no are both "${yes}".`,
    hint: 'Take another key for one of them, and say so in the prompt.',
  })
}

function checkTargets(checking: Checking): void {
  const { enabled, mode, targets } = checking.raw.announcements
  if (!enabled || mode === 'answer' || targets.length > 0) return
  report(checking, 'config-conflict', ['announcements.targets', 'announcements.mode'], {
    sentence: `announcements.mode is ${mode}, and announcements.targets allows no target: no call could go on.`,
    hint: 'List where calls may go, as in "sip:*@pbx.example.com".',
  })
}
