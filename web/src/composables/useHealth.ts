import { computed } from 'vue'
import { ask, client, type SystemHealth } from '@/api/client'
import { healthOf } from '@/format/health'
import { useApi } from './useApi'

/** How the pipeline is doing, and what to make of it. */
export function useHealth() {
  const { state, reload } = useApi<SystemHealth>((signal) => ask(client.GET('/v1/health', { signal })))
  const health = computed(() => (state.value.status === 'data' ? state.value.data : null))
  const verdict = computed(() => (health.value ? healthOf(health.value) : null))
  return { state, reload, health, verdict }
}
