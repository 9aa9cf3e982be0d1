import { ask, client, type AnomalyDetail, type EventDetail } from '@/api/client'
import { ApiProblem } from '@/api/problems'
import { useApi } from './useApi'

/** An anomaly with its strongest login; null where it has none (a source), or that is no longer stored. */
export interface Explained {
  anomaly: AnomalyDetail
  detail: EventDetail | null
}

/** An anomaly and what explains it. */
export function useAnomaly(id: () => string) {
  return useApi<Explained>(
    async (signal) => {
      const anomaly = await ask(client.GET('/v1/anomalies/{id}', { params: { path: { id: id() } }, signal }))
      return { anomaly, detail: anomaly.event_id ? await strongest(anomaly.event_id, signal) : null }
    },
    { watch: [id] },
  )
}

async function strongest(event_id: string, signal: AbortSignal): Promise<EventDetail | null> {
  try {
    return await ask(client.GET('/v1/events/{event_id}', { params: { path: { event_id } }, signal }))
  } catch (thrown) {
    if (thrown instanceof ApiProblem && thrown.code === 'not_found') return null
    throw thrown
  }
}
