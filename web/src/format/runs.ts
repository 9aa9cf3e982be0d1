import type { LoginEvent } from '@/api/client'

/** Logins one after the other that are alike but for their time, and perhaps their users. A list begins with the newest. */
export interface Run {
  latest: LoginEvent
  earliest: LoginEvent
  count: number
  users: number
  /** Why they failed; "" where it was for several reasons. */
  reason: string
}

/**
 * A list of logins with tries that are alike taken together: an attack is one line, and what followed stands out.
 * `across` takes those of several users together, as a source tries them.
 */
export function runsOf(events: LoginEvent[], across = false): Run[] {
  const runs: (Run & { names: Set<string> })[] = []
  for (const event of events) {
    const last = runs.at(-1)
    if (last && alike(last.earliest, event) && (across || ofOne(last.earliest, event))) {
      last.earliest = event
      last.count++
      last.names.add(event.user)
      if (last.reason !== event.reason) last.reason = ''
    } else runs.push(begun(event))
  }
  return runs.map(({ names, ...run }) => ({ ...run, users: names.size }))
}

const begun = (event: LoginEvent) => ({
  latest: event,
  earliest: event,
  count: 1,
  users: 1,
  reason: event.reason,
  names: new Set([event.user]),
})

const ofOne = (one: LoginEvent, other: LoginEvent): boolean =>
  one.user === other.user && one.reason === other.reason

function alike(one: LoginEvent, other: LoginEvent): boolean {
  const same = (['ip', 'outcome', 'level'] as const).every((key) => one[key] === other[key])
  return same && one.outcome !== 'success' && one.detectors.join() === other.detectors.join()
}
