import { computed, onScopeDispose, shallowRef, type WatchSource } from 'vue'
import type { Page } from '@/api/client'
import { ApiProblem, asProblem } from '@/api/problems'
import { useApi } from './useApi'

interface Options<T, P> {
  /** The parameters of a question, taken once with its first page: a cursor belongs to exactly these. */
  params: () => P
  load: (params: P, cursor: string | undefined, signal: AbortSignal) => Promise<Page<T>>
  watch?: WatchSource[]
}

interface Rows<T, P> {
  params: P
  items: T[]
  next: string | null
}

/** What becomes of the page after the last one that is shown. */
export type More =
  { status: 'none' } | { status: 'ready' } | { status: 'loading' } | { status: 'error'; problem: ApiProblem }

/** A list that is paged by cursors: its rows as one state, and `loadMore` for the next page. */
export function useList<T, P>(options: Options<T, P>) {
  const trouble = shallowRef<ApiProblem | null>(null)
  const loading = shallowRef(false)
  let controller = new AbortController()

  const { state, reload } = useApi<Rows<T, P>>(
    async (signal) => {
      controller.abort()
      trouble.value = null
      loading.value = false
      const params = options.params()
      return { params, ...(await options.load(params, undefined, signal)) }
    },
    { watch: options.watch, isEmpty: (rows) => rows.items.length === 0 },
  )

  const rows = computed(() => (state.value.status === 'data' ? state.value.data : null))
  const items = computed(() => rows.value?.items ?? [])
  const more = computed<More>(() => {
    if (!rows.value?.next) return { status: 'none' }
    if (loading.value) return { status: 'loading' }
    return trouble.value ? { status: 'error', problem: trouble.value } : { status: 'ready' }
  })

  async function loadMore(): Promise<void> {
    const before = rows.value
    if (!before?.next || loading.value) return
    const mine = (controller = new AbortController())
    loading.value = true
    trouble.value = null
    try {
      const page = await options.load(before.params, before.next, mine.signal)
      if (!mine.signal.aborted) set([...items.value, ...page.items], page.next)
    } catch (thrown) {
      if (!mine.signal.aborted) trouble.value = asProblem(thrown)
    } finally {
      if (!mine.signal.aborted) loading.value = false
    }
  }

  /** Show other rows, for example with new ones on top. */
  function set(items: T[], next = rows.value?.next ?? null): void {
    const params = rows.value?.params ?? options.params()
    state.value = items.length
      ? { status: 'data', data: { params, items, next }, refreshing: false }
      : { status: 'empty' }
  }

  onScopeDispose(() => controller.abort())
  return { state, items, more, reload, loadMore, set }
}
