import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ref } from 'vue'
import { useRefresh } from '@/composables/useRefresh'
import { inSetup } from './support'

class Source extends EventTarget {
  static CLOSED = 2
  static last: Source
  readyState = 1
  onopen?: () => void
  onerror?: () => void
  constructor() {
    super()
    Source.last = this
  }
  close(): void {}
  say(type: string): void {
    this.dispatchEvent(new MessageEvent(type, { data: '{}' }))
  }
}

describe('useRefresh', () => {
  const on = ref(true)
  const reload = vi.fn(async () => undefined)

  beforeEach(() => {
    vi.useFakeTimers()
    vi.stubGlobal('EventSource', Source)
    on.value = true
    reload.mockClear()
  })
  afterEach(() => {
    vi.useRealTimers()
    vi.unstubAllGlobals()
  })

  const refreshed = () => inSetup(() => useRefresh(reload, { on, kinds: ['event'], every: 1_000 }))

  it('loads once for many messages, and not for those of another kind', async () => {
    const { wrapper } = await refreshed()
    Source.last.say('anomaly')
    await vi.advanceTimersByTimeAsync(5_000)
    expect(reload).not.toHaveBeenCalled()
    for (let n = 0; n < 9; n++) Source.last.say('event')
    await vi.advanceTimersByTimeAsync(5_000)
    expect(reload).toHaveBeenCalledTimes(1)
    wrapper.unmount()
  })

  it('asks by the clock where there is no stream', async () => {
    vi.stubGlobal('fetch', async () => new Response('{}', { status: 200 }))
    const { wrapper } = await refreshed()
    Source.last.readyState = Source.CLOSED
    Source.last.onerror?.()
    await vi.advanceTimersByTimeAsync(3_500)
    expect(reload.mock.calls.length).toBeGreaterThanOrEqual(2)
    wrapper.unmount()
    reload.mockClear()
    await vi.advanceTimersByTimeAsync(5_000)
    expect(reload).not.toHaveBeenCalled()
  })

  it('waits while nobody looks', async () => {
    const { wrapper } = await refreshed()
    const seen = vi.spyOn(document, 'visibilityState', 'get').mockReturnValue('hidden')
    Source.last.say('event')
    await vi.advanceTimersByTimeAsync(5_000)
    expect(reload).not.toHaveBeenCalled()
    seen.mockReturnValue('visible')
    document.dispatchEvent(new Event('visibilitychange'))
    await vi.advanceTimersByTimeAsync(1_500)
    expect(reload).toHaveBeenCalledTimes(1)
    wrapper.unmount()
  })
})
