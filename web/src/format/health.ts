import type { SystemHealth } from '@/api/client'
import { whole } from './numbers'
import { relative } from './time'

export interface Verdict {
  level: 'success' | 'warning' | 'error'
  title: string
  text: string
}

/** Beyond so many unread records detectors are behind. */
const BEHIND = 1_000
/** Messages of the outbox are usually gone within a second or two (ms). */
const STUCK = 60_000

/** What the numbers of the pipeline come to, the worst first. */
export function healthOf({ at, partitions, unread, outbox }: SystemHealth): Verdict {
  const idle = partitions.filter(({ ownership }) => ownership !== 'alive')
  const waiting = idle.reduce((sum, part) => sum + part.unread, 0)
  if (waiting) {
    return {
      level: 'error',
      title: `${records(waiting)} and nobody reads ${waiting === 1 ? 'it' : 'them'}`,
      text: `No detector owns ${share(idle.length, partitions.length)}. Is \`gatewatch detector\` running?`,
    }
  }
  if (idle.length) {
    return {
      level: 'warning',
      title: idle.length === partitions.length ? 'No detector is running' : 'A detector is missing',
      text: `Nobody reads ${share(idle.length, partitions.length)}; nothing waits there yet.`,
    }
  }
  if (unread > BEHIND) {
    return { level: 'warning', title: 'Detectors are behind', text: `${records(unread)} to be judged.` }
  }
  if (outbox.oldest && Date.parse(at) - Date.parse(outbox.oldest) > STUCK) {
    return {
      level: 'warning',
      title: 'Messages are stuck',
      text: `The oldest has waited since ${relative(outbox.oldest, Date.parse(at))} to be relayed. Is \`gatewatch notifier\` running?`,
    }
  }
  return { level: 'success', title: 'All is well', text: 'What came in has been judged.' }
}

const records = (count: number) => (count === 1 ? '1 record waits' : `${whole(count)} records wait`)

const share = (some: number, all: number) =>
  some === all ? 'any partition of the log' : `${some} of ${all} partitions of the log`
