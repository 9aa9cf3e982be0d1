import { onScopeDispose, shallowRef, watch, type ShallowRef, type WatchSource } from 'vue'
import { ApiProblem, asProblem } from '@/api/problems'
import { useOutage } from './useOutage'

/** What a request has come to. Data stays on screen while it is loaded anew. */
export type Remote<T> =
  | { status: 'idle' }
  | { status: 'loading' }
  | { status: 'empty' }
  | { status: 'error'; problem: ApiProblem }
  | { status: 'data'; data: T; refreshing: boolean }

interface Options<T> {
  /** Loads again when these change; what was shown goes first. */
  watch?: WatchSource[]
  /** Tells data that amounts to nothing. */
  isEmpty?: (data: T) => boolean
}

/** A request and its state. The last one begun wins; the ones before are aborted. It runs again after an outage. */
export function useApi<T>(load: (signal: AbortSignal) => Promise<T>, options: Options<T> = {}) {
  const state: ShallowRef<Remote<T>> = shallowRef({ status: 'idle' })
  let running = new AbortController()

  async function reload(keep = true): Promise<void> {
    running.abort()
    const mine = (running = new AbortController())
    const shown = state.value
    state.value = keep && shown.status === 'data' ? { ...shown, refreshing: true } : { status: 'loading' }
    const next = await settled(load, mine.signal, options.isEmpty)
    if (!mine.signal.aborted) state.value = next
  }

  watch(options.watch ?? [], () => void reload(false))
  watch(useOutage().recoveries, () => void reload())
  onScopeDispose(() => running.abort())
  void reload()
  return { state, reload }
}

async function settled<T>(
  load: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
  isEmpty?: (data: T) => boolean,
): Promise<Remote<T>> {
  try {
    const data = await load(signal)
    return isEmpty?.(data) ? { status: 'empty' } : { status: 'data', data, refreshing: false }
  } catch (thrown) {
    return signal.aborted ? { status: 'idle' } : { status: 'error', problem: asProblem(thrown) }
  }
}
