/** A user's hours of the week: stored from Monday 00:00 UTC, shown in a zone. */
import type { Usual } from '@/api/client'
import { dateTime } from './time'

export const DAYS = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'] as const
const WEEK = 168

/**
 * The weights of the 168 hours as a zone shows them now, in hours from Monday 00:00. Of a zone that is off by a part of
 * an hour, each hour goes where its beginning falls.
 */
export function hoursOf(usual: Usual[], zone: string, now = Date.now()): number[] {
  const shift = Math.floor(offset(zone, now) / 60)
  const weights = Array.from({ length: WEEK }, () => 0)
  for (const { value, weight } of usual) {
    const hour = Number(value)
    if (Number.isInteger(hour) && hour >= 0 && hour < WEEK) weights[(hour + shift + WEEK) % WEEK]! += weight
  }
  return weights
}

/** How many minutes a zone's clocks are before UTC. */
function offset(zone: string, now: number): number {
  const shown = Date.parse(`${dateTime(now, zone).replace(' ', 'T')}Z`)
  return Math.round((shown - now) / 60_000)
}

/** An hour of the week in words: `Monday 09:00–10:00`. */
export function hourName(hour: number): string {
  const clock = (at: number) => `${String(at % 24).padStart(2, '0')}:00`
  return `${DAYS[Math.floor(hour / 24)]} ${clock(hour)}–${clock(hour + 1)}`
}
