import { computed } from 'vue'
import { useRoute, useRouter } from 'vue-router'
import { useNewest } from './useNewest'

/** The last so many minutes, or between two moments (ISO 8601). */
export type TimeRange =
  { kind: 'last'; name: string; minutes: number } | { kind: 'between'; since: string; until: string }

/** The ranges that can be chosen by name; the name is what stands in the URL. */
export const RANGES = [
  { name: '1h', minutes: 60, label: 'Last hour' },
  { name: '6h', minutes: 360, label: 'Last 6 hours' },
  { name: '24h', minutes: 1_440, label: 'Last 24 hours' },
  { name: '7d', minutes: 10_080, label: 'Last 7 days' },
  { name: '30d', minutes: 43_200, label: 'Last 30 days' },
  { name: '90d', minutes: 129_600, label: 'Last 90 days' },
] as const
const USUAL = RANGES[2]

/**
 * The time range of the URL: `range=7d`, or `since` and `until`; 24 hours where it says nothing that can be read. With
 * `upto=newest` the last hours end at the newest event instead of now: imports and replays are of the past.
 */
export function useTimeRange() {
  const route = useRoute()
  const router = useRouter()
  const { newest } = useNewest()

  const range = computed<TimeRange>(() => {
    const { since, until, range: name } = route.query
    if (isMoment(since) && isMoment(until) && since < until) return { kind: 'between', since, until }
    const found = RANGES.find((one) => one.name === name) ?? USUAL
    return { kind: 'last', name: found.name, minutes: found.minutes }
  })
  const upToNewest = computed(() => range.value.kind === 'last' && route.query.upto === 'newest')
  /** Changes whenever the range does; for `watch`. */
  const key = computed(() => JSON.stringify([range.value, upToNewest.value && newest.value !== undefined]))

  /** The range as parameters of a request that is made now. */
  function bounds(now = Date.now()): { since: string; until?: string } {
    const { value } = range
    if (value.kind === 'between') return { since: value.since, until: value.until }
    const end = upToNewest.value && newest.value !== undefined ? newest.value + 1 : now
    const since = new Date(end - value.minutes * 60_000).toISOString()
    return end === now ? { since } : { since, until: new Date(end).toISOString() }
  }

  const change = (query: Record<string, string | undefined>) =>
    router.push({
      query: { ...route.query, range: undefined, since: undefined, until: undefined, ...query },
    })
  const setLast = (name: string) => change({ range: name === USUAL.name ? undefined : name })
  const setBetween = (since: Date, until: Date) =>
    change({ since: since.toISOString(), until: until.toISOString(), upto: undefined })
  /** End at the newest event, or at the present. */
  const setUpToNewest = (on: boolean) =>
    router.replace({
      query: { ...route.query, since: undefined, until: undefined, upto: on ? 'newest' : undefined },
    })
  /** The part of the query that links take along. */
  const carried = computed(() => {
    const { since, until, range, upto } = route.query
    return {
      ...(range ? { range } : {}),
      ...(since && until ? { since, until } : {}),
      ...(upto ? { upto } : {}),
    }
  })

  return { range, key, bounds, upToNewest, setLast, setBetween, setUpToNewest, carried }
}

function isMoment(value: unknown): value is string {
  return typeof value === 'string' && /^\d{4}-\d\d-\d\dT.*Z$/.test(value) && !Number.isNaN(Date.parse(value))
}
