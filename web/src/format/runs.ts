import type { LoginEvent } from '@/api/client'

/** Logins one after the other that are alike but for their time, and perhaps their users. A list begins with the newest. */
export interface Run {
  latest: LoginEvent
  earliest: LoginEvent
  count: number
  users: number
}

/**
 * A list of logins with tries that are alike taken together: an attack is one line, and what followed stands out.
 * `across` takes those of several users together, as a source tries them.
 */
export function runsOf(events: LoginEvent[], across = false): Run[] {
  const runs: (Run & { names: Set<string> })[] = []
  for (const event of events) {
    const last = runs.at(-1)
    if (last && alike(last.earliest, event) && (across || last.earliest.user === event.user)) {
      last.earliest = event
      last.count++
      last.names.add(event.user)
    } else runs.push({ latest: event, earliest: event, count: 1, users: 1, names: new Set([event.user]) })
  }
  return runs.map(({ names, ...run }) => ({ ...run, users: names.size }))
}

function alike(one: LoginEvent, other: LoginEvent): boolean {
  const same = (['ip', 'outcome', 'reason', 'level'] as const).every((key) => one[key] === other[key])
  return same && one.outcome !== 'success' && one.detectors.join() === other.detectors.join()
}
