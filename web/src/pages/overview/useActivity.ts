import { computed } from 'vue'
import { ask, client, type Series } from '@/api/client'
import { sum } from '@/components/charts/series'
import { useApi } from '@/composables/useApi'
import { useTimeRange } from '@/composables/useTimeRange'

/** The range in stretches, and as many stretches before it; null where that would be before all time. */
interface Activity {
  now: Series
  before: Series | null
  /** How many of the stretches are over. */
  over: number
}

type Numbers = 'events' | 'successes' | 'failures' | 'signalled' | 'anomalies'

/** What happened in the range, against the same length of time before. It is empty where no login came. */
export function useActivity() {
  const { key, bounds } = useTimeRange()
  const { state, reload } = useApi<Activity>(
    async (signal) => {
      const asked = bounds()
      const now = await ask(client.GET('/v1/overview/series', { params: { query: asked }, signal }))
      const query = earlier(now)
      const before = query && (await ask(client.GET('/v1/overview/series', { params: { query }, signal })))
      const end = asked.until ? Date.parse(asked.until) : Date.now()
      const running = Date.parse(now.until) > end ? 1 : 0
      return { now, before, over: now.stretches.length - running }
    },
    { watch: [key], isEmpty: ({ now }) => !sum(now.stretches.map(({ events }) => events)) },
  )

  const activity = computed(() => (state.value.status === 'data' ? state.value.data : null))
  const values = (name: Numbers) => activity.value?.now.stretches.map((one) => one[name]) ?? []
  const valuesBefore = (name: Numbers) => activity.value?.before?.stretches.map((one) => one[name]) ?? null
  return { state, reload, activity, values, valuesBefore }
}

/** As many stretches of the same length, before these. */
export function earlier({ since, step, stretches }: Series) {
  const end = Date.parse(since)
  const begin = end - stretches.length * step * 1_000
  return begin < 0 ? null : { since: new Date(begin).toISOString(), until: since, step }
}
