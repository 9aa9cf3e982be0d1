import { onScopeDispose, ref, watch, type Ref } from 'vue'
import { ask, client } from '@/api/client'
import { asProblem } from '@/api/problems'
import { SharedStream, type StreamMessage, type StreamState } from '@/api/stream'

// A refusal says nothing of its reason: asking for the session finds out whether that is it.
const stream = new SharedStream(() => void ask(client.GET('/v1/session')).catch(asProblem))

/** What happens, as it happens, while `on`. `off` means that there is no stream: ask now and then instead. */
export function useStream(on: Ref<boolean>, onMessage: (message: StreamMessage) => void) {
  const state = ref<StreamState>('connecting')
  let stop: (() => void) | null = null

  function follow(wanted: boolean): void {
    stop?.()
    stop = wanted ? stream.listen({ onMessage, onState: (now) => (state.value = now) }) : null
  }
  watch(on, follow, { immediate: true })
  onScopeDispose(() => follow(false))
  return { state }
}
