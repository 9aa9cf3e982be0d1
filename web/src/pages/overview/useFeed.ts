import { computed, ref } from 'vue'
import { ask, client, type Anomaly, type LoginEvent } from '@/api/client'
import { useApi } from '@/composables/useApi'
import { useRefresh } from '@/composables/useRefresh'
import { useTimeRange } from '@/composables/useTimeRange'

export type Feed = { kind: 'anomalies'; items: Anomaly[] } | { kind: 'logins'; items: LoginEvent[] }

const ROWS = 30
const SOON = 1_500

/** The newest of the range, anomalies or logins, as they come. */
export function useFeed() {
  const { key, range, bounds } = useTimeRange()
  const kind = ref<Feed['kind']>('anomalies')
  const { state, reload } = useApi<Feed>(
    async (signal) => {
      const params = { query: { ...bounds(), limit: ROWS } }
      if (kind.value === 'logins') {
        return { kind: 'logins', items: (await ask(client.GET('/v1/events', { params, signal }))).items }
      }
      return { kind: 'anomalies', items: (await ask(client.GET('/v1/anomalies', { params, signal }))).items }
    },
    { watch: [key, kind], isEmpty: ({ items }) => !items.length },
  )
  const on = computed(() => range.value.kind === 'last')
  useRefresh(reload, { on, kinds: ['event', 'anomaly'], every: SOON })
  return { state, kind, reload }
}
