import { describe, expect, it } from 'vitest'
import { nextTick } from 'vue'
import { summary, timeAxis } from '@/components/charts/series'
import TopRows from '@/pages/overview/TopRows.vue'
import { trendOf, trendText } from '@/pages/overview/trend'
import { earlier, useActivity } from '@/pages/overview/useActivity'
import { useBacklog } from '@/pages/overview/useBacklog'
import { answers, inSetup, settled, shown } from './support'

const stretch = (start: string, events: number, failures = 0) => ({
  start,
  events,
  successes: events - failures,
  failures,
  signalled: 0,
  anomalies: 0,
})
const SERIES = {
  since: '2026-03-02T10:00:00Z',
  until: '2026-03-02T12:00:00Z',
  step: 3_600,
  stretches: [stretch('2026-03-02T10:00:00Z', 5, 2), stretch('2026-03-02T11:00:00Z', 7)],
}

describe('a trend', () => {
  it.each([
    [[3, 9], [4, 2], 2, '100% more than before'],
    [[3, 9], [4, 2], 1, '25% fewer than before'],
    [[5], [5], 1, 'As before'],
    [[0], [0], 1, 'As before'],
    [[5], [0], 1, 'None in the time before'],
    [[1_000], [1_001], 1, '<1% fewer than before'],
    [[90_000], [1], 1, '>999% more than before'],
    [[5], [5], 0, ''],
    [[5], null, 1, ''],
  ])('of %j after %j, %d of them over, is "%s"', (now, before, over, text) => {
    expect(trendText(trendOf(now, before, over))).toBe(text)
  })
})

describe('activity', () => {
  it('asks for as many stretches before, of the same length', () => {
    expect(earlier(SERIES)).toEqual({
      since: '2026-03-02T08:00:00.000Z',
      until: '2026-03-02T10:00:00Z',
      step: 3_600,
    })
    expect(earlier({ ...SERIES, since: '1970-01-01T01:00:00Z' })).toBeNull()
  })

  const BETWEEN = '/?since=2026-03-02T10:10:00Z&until=2026-03-02T11:50:00Z'

  it('compares what is over: a stretch that the range ends in is not', async () => {
    const requests = answers([200, SERIES], [200, SERIES])
    const { result } = await inSetup(() => useActivity(), BETWEEN)
    await settled()
    await settled()
    expect(result.state.value.status).toBe('data')
    expect(result.activity.value?.over).toBe(1)
    expect(requests.map(({ url }) => new URL(url).searchParams.get('since'))).toEqual([
      '2026-03-02T10:10:00Z',
      '2026-03-02T08:00:00.000Z',
    ])
  })

  it('is empty where no login came', async () => {
    const quiet = { ...SERIES, stretches: [stretch(SERIES.since, 0)] }
    answers([200, quiet], [200, quiet])
    const { result } = await inSetup(() => useActivity(), BETWEEN)
    await settled()
    await settled()
    expect(result.state.value.status).toBe('empty')
  })
})

describe('the backlog', () => {
  it('counts what is new or in progress, the worst first', async () => {
    const anomalies = [
      { severity: 'high', status: 'new', count: 4 },
      { severity: 'critical', status: 'in_progress', count: 1 },
      { severity: 'high', status: 'resolved', count: 9 },
      { severity: 'low', status: 'new', count: 2 },
      { severity: 'high', status: 'in_progress', count: 1 },
    ]
    answers([200, { since: '', until: '', anomalies, complete: true }])
    const { result } = await inSetup(() => useBacklog())
    expect(result.count.value).toBeNull()
    await settled()
    await nextTick()
    expect(result.count.value).toBe(8)
    expect(result.worst.value).toBe('1 critical, 5 high')
    expect(result.severities.value.map(({ count }) => count)).toEqual([1, 5, 2])
  })
})

describe('a chart', () => {
  it('is told in a sentence', () => {
    const lines = [
      { name: 'Failures', values: [1, 30, 2], colour: 'error' },
      { name: 'Anomalies', values: [0, 0, 0], colour: 'critical' },
    ]
    expect(summary('Unusual', ['10:00', '11:00', '12:00'], lines)).toBe(
      'Unusual: Failures 33, most at 11:00 (30); Anomalies 0',
    )
  })
})

describe('timeAxis', () => {
  const names = ['2026-11-25 22:00', '2026-11-25 23:00', '2026-11-26 00:00']

  it('names hours over a day, and the days that begin over more', () => {
    const day = timeAxis(names, 3_600, '#888').axisLabel
    const month = timeAxis(names, 86_400, '#888').axisLabel
    expect(names.map(day.formatter)).toEqual(['22:00', '23:00', '00:00'])
    expect(names.map(month.formatter)).toEqual(['11-25', '11-25', '11-26'])
    expect(names.map((_, index) => month.interval?.(index))).toEqual([true, false, true])
  })
})

describe('TopRows', () => {
  const HOSTILE = '<img src=x onerror=alert(1)>'

  it('shows names as they are, with their numbers in words, each a link', async () => {
    const rows = [
      { value: 'k', name: HOSTILE, count: 60 },
      { value: 'bob', count: 1_200 },
    ]
    const { wrapper } = await shown(TopRows, { props: { kind: 'user', rows, unit: 'risk' } }, '/?range=7d')
    expect(wrapper.find('img').exists()).toBe(false)
    expect(wrapper.findAll('a').map((one) => [one.text(), one.attributes('href')])).toEqual([
      [HOSTILE, '/users/k?range=7d'],
      ['bob', '/users/bob?range=7d'],
    ])
    expect(wrapper.text()).toContain('1,200 risk')
  })

  it('of detectors lead to their logins, and of nothing say so', async () => {
    const rows = [{ value: 'new_device', count: 3 }]
    const { wrapper } = await shown(TopRows, { props: { kind: 'detector', rows, unit: 'signals' } })
    expect(wrapper.get('a').attributes('href')).toBe('/events?detector=new_device')
    const none = await shown(TopRows, { props: { kind: 'ip', rows: [], unit: 'signals' } })
    expect(none.wrapper.text()).toBe('None in this time.')
  })
})

describe('the world', () => {
  it('knows countries by their two letters, and none of them goes back around it', async () => {
    const { DRAWN } = await import('@/components/charts/world')
    for (const code of ['NO', 'US', 'RU', 'NG', 'TW', 'XK', 'FJ']) expect(DRAWN).toContain(code)
    expect(DRAWN).not.toContain('AQ')
    expect([...DRAWN].filter((name) => name.length === 2).length).toBeGreaterThan(170)
  })
})
