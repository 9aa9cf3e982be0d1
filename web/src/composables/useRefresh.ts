import { onScopeDispose, type Ref } from 'vue'
import type { StreamMessage } from '@/api/stream'
import { useStream } from './useStream'

interface Options {
  /** Whether what is shown is of now at all. */
  on: Ref<boolean>
  /** What makes it old. */
  kinds: ('event' | 'anomaly')[]
  /** At most so often (ms); without a stream exactly so often. */
  every: number
}

/**
 * Loads again what is shown as things happen: the stream tells, and where there is none time does. A tab that nobody
 * looks at waits until somebody does.
 */
export function useRefresh(reload: () => Promise<void>, { on, kinds, every }: Options) {
  let last = Date.now()
  let due: ReturnType<typeof setTimeout> | undefined
  let old = false

  const { state } = useStream(on, ({ type }: StreamMessage) => {
    if (type === 'reset' || kinds.includes(type)) plan()
  })

  function plan(): void {
    old = true
    due ??= setTimeout(() => void act(), Math.max(0, last + every - Date.now()))
  }

  async function act(): Promise<void> {
    due = undefined
    if (!on.value || !old || document.visibilityState === 'hidden') return
    old = false
    last = Date.now()
    await reload()
  }

  const shown = () => old && plan()
  const idle = setInterval(() => state.value === 'off' && plan(), every)
  document.addEventListener('visibilitychange', shown)
  onScopeDispose(() => {
    clearTimeout(due)
    clearInterval(idle)
    document.removeEventListener('visibilitychange', shown)
  })
  return { state }
}
