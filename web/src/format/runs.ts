import type { LoginEvent } from '@/api/client'

/** Logins one after the other that are alike but for their time; `latest` is the first of a list that begins with the newest. */
export interface Run {
  latest: LoginEvent
  earliest: LoginEvent
  count: number
}

/** A list of logins with those that are alike taken together: an attack is one line, and what followed stands out. */
export function runsOf(events: LoginEvent[]): Run[] {
  const runs: Run[] = []
  for (const event of events) {
    const last = runs.at(-1)
    if (last && alike(last.earliest, event)) {
      last.earliest = event
      last.count++
    } else runs.push({ latest: event, earliest: event, count: 1 })
  }
  return runs
}

function alike(one: LoginEvent, other: LoginEvent): boolean {
  const same = (['user', 'ip', 'outcome', 'reason', 'level'] as const).every((key) => one[key] === other[key])
  return same && one.outcome !== 'success' && one.detectors.join() === other.detectors.join()
}
