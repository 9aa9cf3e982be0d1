import { describe, expect, it } from 'vitest'
import { useFilters } from '@/composables/useFilters'
import { useTimeRange } from '@/composables/useTimeRange'
import { useNewest } from '@/composables/useNewest'
import { answers, inSetup } from './support'

const DEFAULTS = { user: '', severity: [] as string[] }

describe('useFilters', () => {
  it('reads the URL, and what it does not know it leaves alone', async () => {
    const { result, router } = await inSetup(
      () => useFilters(DEFAULTS),
      '/?user=a&severity=high&severity=low&range=7d',
    )
    expect(result.filters.value).toEqual({ user: 'a', severity: ['high', 'low'] })
    expect(result.active.value).toEqual(['user', 'severity'])
    await result.set({ severity: ['low'] })
    expect(router.currentRoute.value.query).toEqual({ user: 'a', severity: ['low'], range: '7d' })
    await result.clear()
    expect(router.currentRoute.value.query).toEqual({ range: '7d' })
  })
})

describe('useTimeRange', () => {
  const NOW = Date.parse('2026-03-02T08:00:00Z')

  it.each([
    ['/', '2026-03-01T08:00:00.000Z'],
    ['/?range=1h', '2026-03-02T07:00:00.000Z'],
    ['/?range=nonsense', '2026-03-01T08:00:00.000Z'],
    ['/?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z', '2026-03-01T08:00:00.000Z'],
    ['/?since=yesterday&until=2026-01-01T00:00:00Z', '2026-03-01T08:00:00.000Z'],
  ])('of %s begins at %s', async (at, since) => {
    const { result } = await inSetup(useTimeRange, at)
    expect(result.bounds(NOW)).toEqual({ since })
  })

  it('between two moments is kept as it is, and links take it along', async () => {
    const query = { since: '2026-01-01T00:00:00Z', until: '2026-01-02T00:00:00Z' }
    const { result } = await inSetup(useTimeRange, `/?${new URLSearchParams(query)}`)
    expect(result.bounds(NOW)).toEqual(query)
    expect(result.carried.value).toEqual(query)
  })

  it('ends at the newest event where it is asked to, once that is known', async () => {
    answers([200, { items: [{ time: '2025-05-05T05:05:05.123456Z' }], next: null }])
    const { result, router } = await inSetup(useTimeRange, '/?range=1h')
    await result.setUpToNewest(true)
    expect(result.bounds(NOW)).toEqual({ since: '2026-03-02T07:00:00.000Z' })
    const before = result.key.value
    await useNewest().refresh()
    expect(result.key.value).not.toBe(before)
    expect(result.bounds(NOW)).toEqual({
      since: '2025-05-05T04:05:05.124Z',
      until: '2025-05-05T05:05:05.124Z',
    })
    expect(result.carried.value).toEqual({ range: '1h', upto: 'newest' })
    await result.setBetween(new Date(0), new Date(1_000))
    expect(router.currentRoute.value.query.upto).toBeUndefined()
  })

  it('is changed in the URL; the usual one is not written down', async () => {
    const { result, router } = await inSetup(useTimeRange, '/?user=a')
    await result.setBetween(new Date(0), new Date(1_000))
    await result.setLast('7d')
    expect(router.currentRoute.value.query).toEqual({ user: 'a', range: '7d' })
    await result.setLast('24h')
    expect(router.currentRoute.value.query).toEqual({ user: 'a' })
  })
})
