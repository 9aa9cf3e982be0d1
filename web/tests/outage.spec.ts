import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { answers, problem } from './support'

const AWAY: [number, unknown] = [503, problem('unavailable')]
const READY: [number, unknown] = [200, { status: 'ok' }]

async function page() {
  vi.resetModules()
  const { useOutage, watchOutages } = await import('@/composables/useOutage')
  const { ask, client } = await import('@/api/client')
  watchOutages()
  const question = () => ask(client.GET('/v1/keys')).catch(() => undefined)
  return { ...useOutage(), question }
}

beforeEach(() => vi.useFakeTimers())
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

describe('an outage', () => {
  it('is told while it lasts, and its end is counted', async () => {
    const requests = answers(AWAY, AWAY, null, READY)
    const { away, recoveries, question } = await page()
    await question()
    await vi.advanceTimersByTimeAsync(0)
    expect(away.value).toBe(true)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(away.value).toBe(true)
    await vi.advanceTimersByTimeAsync(2_000)
    expect([away.value, recoveries.value, requests.length]).toEqual([false, 1, 4])
  })

  it('is none where one question took too long: the server says that it is ready', async () => {
    const requests = answers(AWAY, READY)
    const { away, recoveries, question } = await page()
    await question()
    await vi.advanceTimersByTimeAsync(60_000)
    expect([away.value, recoveries.value, requests.length]).toEqual([false, 0, 2])
  })

  it('is looked into once, however many questions it spoils', async () => {
    const requests = answers(AWAY, AWAY, READY)
    const { question } = await page()
    await Promise.all([question(), question()])
    await vi.advanceTimersByTimeAsync(60_000)
    expect(requests.filter(({ url }) => url.endsWith('/readyz'))).toHaveLength(1)
  })
})
