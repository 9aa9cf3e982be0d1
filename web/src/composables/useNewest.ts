import { onScopeDispose, readonly, ref, watch, type Ref } from 'vue'
import { ask, client } from '@/api/client'
import { asProblem } from '@/api/problems'

/** How often is asked for the newest event while somebody goes by it (ms). */
const EVERY = 5_000

/** The newest event as a list of one, or of none where there never was any. */
export async function newestEvents(signal?: AbortSignal) {
  const query = { since: '1970-01-01T00:00:00Z', limit: 1 }
  return (await ask(client.GET('/v1/events', { params: { query }, signal }))).items
}

const newest = ref<number>()

/** When the newest event was (ms since 1970), undefined where none is known. It is one for all pages. */
export function useNewest() {
  async function refresh(): Promise<number | undefined> {
    try {
      const [event] = await newestEvents()
      newest.value = event && Date.parse(event.time)
    } catch (thrown) {
      asProblem(thrown) // the banner tells of an outage; the next one asks again
    }
    return newest.value
  }

  /** Keep asking while `on`. */
  function keep(on: Ref<boolean>): void {
    let timer: ReturnType<typeof setInterval> | undefined
    watch(
      on,
      (now) => {
        clearInterval(timer)
        if (!now) return
        void refresh()
        timer = setInterval(() => void refresh(), EVERY)
      },
      { immediate: true },
    )
    onScopeDispose(() => clearInterval(timer))
  }

  return { newest: readonly(newest), refresh, keep }
}
