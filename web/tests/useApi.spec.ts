import { describe, expect, it } from 'vitest'
import { ref } from 'vue'
import { ApiProblem } from '@/api/problems'
import { useApi } from '@/composables/useApi'
import { inSetup, settled } from './support'

describe('useApi', () => {
  it('goes from loading to data', async () => {
    let answer!: (value: number) => void
    const { result } = await inSetup(() => useApi(() => new Promise<number>((done) => (answer = done))))
    expect(result.state.value.status).toBe('loading')
    answer(7)
    await settled()
    expect(result.state.value).toEqual({ status: 'data', data: 7, refreshing: false })
  })

  it('knows what amounts to nothing', async () => {
    const { result } = await inSetup(() => useApi(async () => [], { isEmpty: (all) => !all.length }))
    await settled()
    expect(result.state.value.status).toBe('empty')
  })

  it('keeps a problem, and loads again when asked to', async () => {
    let broken = true
    const { result } = await inSetup(() =>
      useApi(async () => {
        if (broken) throw new ApiProblem('not_found', 'Nothing')
        return 1
      }),
    )
    await settled()
    expect(result.state.value).toMatchObject({ status: 'error', problem: { code: 'not_found' } })
    broken = false
    await result.reload()
    expect(result.state.value.status).toBe('data')
  })

  it('shows the answer to the last question, however late the one before comes', async () => {
    const question = ref('slow')
    const waiting: Record<string, (value: string) => void> = {}
    const { result } = await inSetup(() =>
      useApi(() => new Promise<string>((done) => (waiting[question.value] = done)), { watch: [question] }),
    )
    question.value = 'fast'
    await settled()
    waiting.fast!('new')
    waiting.slow!('old')
    await settled()
    expect(result.state.value).toMatchObject({ status: 'data', data: 'new' })
  })

  it('keeps data on screen while it is loaded again, and aborts with its component', async () => {
    const signals: AbortSignal[] = []
    const { result, wrapper } = await inSetup(() =>
      useApi(async (signal) => {
        signals.push(signal)
        return 1
      }),
    )
    await settled()
    const again = result.reload()
    expect(result.state.value).toEqual({ status: 'data', data: 1, refreshing: true })
    await again
    void result.reload()
    wrapper.unmount()
    expect(signals.at(-1)!.aborted).toBe(true)
  })
})
