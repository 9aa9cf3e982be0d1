import { computed } from 'vue'
import { ask, client } from '@/api/client'
import { sum } from '@/components/charts/series'
import { useApi } from '@/composables/useApi'
import { useTimeRange } from '@/composables/useTimeRange'
import { words } from '@/format/words'

/** The statuses of anomalies that somebody must still do something about. */
export const OPEN = ['new', 'in_progress'] as const
const SEVERITIES = ['critical', 'high', 'medium', 'low']

/** What waits for somebody, of the range. */
export function useBacklog() {
  const { key, bounds } = useTimeRange()
  const { state, reload } = useApi(
    (signal) => ask(client.GET('/v1/overview/backlog', { params: { query: bounds() }, signal })),
    { watch: [key] },
  )
  const found = computed(() => (state.value.status === 'data' ? state.value.data : null))
  const open = computed(() => found.value?.anomalies.filter(({ status }) => status in STILL) ?? [])
  const count = computed(() => (found.value ? sum(open.value.map((part) => part.count)) : null))
  /** How many of each severity, the worst first. */
  const severities = computed(() =>
    SEVERITIES.map((severity) => ({
      severity,
      count: sum(open.value.filter((part) => part.severity === severity).map((part) => part.count)),
    })).filter(({ count }) => count),
  )
  /** The worst two in words: `2 critical, 5 high`. */
  const worst = computed(() =>
    severities.value
      .slice(0, 2)
      .map(({ severity, count }) => `${count} ${words(severity).toLowerCase()}`)
      .join(', '),
  )
  return { state, reload, found, count, severities, worst }
}

const STILL: Record<string, true> = Object.fromEntries(OPEN.map((status) => [status, true as const]))
