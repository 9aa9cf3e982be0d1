import { computed, onScopeDispose, ref, shallowRef, watch, type Ref } from 'vue'
import type { Page } from '@/api/client'
import { asProblem } from '@/api/problems'
import { useStream } from './useStream'

/** At most so often is asked for what is new, with a stream and without one (ms). */
const SOON = 1_000
const WITHOUT_STREAM = 3_000
/** Beyond so many rows the oldest go. */
const MOST = 500

interface Options<T> {
  kind: 'event' | 'anomaly'
  on: Ref<boolean>
  paused: Ref<boolean>
  /** Asks for what came since the newest row that is known, under the filters that are shown. */
  load: (newest: T | undefined) => Promise<Page<T>>
  id: (row: T) => string
  list: { items: Ref<T[]>; set: (items: T[], next?: string | null) => void; reload: () => Promise<void> }
}

/**
 * New rows on top of a list as they come. The stream tells that something happened; what is new is asked for, so that
 * the server's filters hold. While it is paused they wait, and are counted.
 */
export function useLiveTail<T>({ kind, on, paused, load, id, list }: Options<T>) {
  const waiting = shallowRef<T[]>([])
  const overflow = ref(false)
  let due: ReturnType<typeof setTimeout> | undefined
  let asking = false

  const { state } = useStream(on, ({ type }) => {
    if (type === 'reset') void list.reload()
    else if (type === kind) schedule(SOON)
  })

  function schedule(after: number): void {
    due ??= setTimeout(() => void look(), after)
  }

  async function look(): Promise<void> {
    if (!on.value || asking) return
    asking = true
    try {
      const page = await load(waiting.value[0] ?? list.items.value[0])
      if (on.value) take(page)
    } catch (thrown) {
      asProblem(thrown) // the banner tells of an outage; the next look tries again
    } finally {
      asking = false
      due = undefined
      if (on.value && state.value === 'off') schedule(WITHOUT_STREAM)
    }
  }

  function take(page: Page<T>): void {
    const known = new Set([...waiting.value, ...list.items.value].map(id))
    const fresh = page.items.filter((row) => !known.has(id(row)))
    overflow.value ||= page.next !== null
    waiting.value = [...fresh, ...waiting.value].slice(0, MOST)
    if (!paused.value) show()
  }

  /** Put what waits on top; where more came than was asked for, begin anew. */
  function show(): void {
    const rows = [...waiting.value, ...list.items.value]
    if (overflow.value) void list.reload()
    else if (waiting.value.length) {
      list.set(rows.slice(0, MOST), rows.length > MOST ? null : undefined)
    }
    waiting.value = []
    overflow.value = false
  }

  watch(paused, (now) => now || show())
  watch(
    [on, state],
    () => {
      if (on.value) schedule(state.value === 'off' ? WITHOUT_STREAM : 0)
      else waiting.value = []
    },
    { immediate: true },
  )
  onScopeDispose(() => clearTimeout(due))
  const count = computed(() => `${waiting.value.length}${overflow.value ? '+' : ''}`)
  return { state, waiting, count, show }
}
