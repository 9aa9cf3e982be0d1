import { describe, expect, it } from 'vitest'
import type { SystemHealth } from '@/api/client'
import { textOf } from '@/format/bytes'
import { healthOf } from '@/format/health'
import { ranges, readersOf } from '@/format/partitions'
import DeadLetterItem from '@/pages/health/DeadLetterItem.vue'
import { shown } from './support'

const AT = '2026-03-02T12:00:00Z'
const part = (unread = 0, ownership: 'alive' | 'expired' | 'none' = 'alive') => ({
  part: 0,
  unread,
  ownership,
  owner: '',
  lease_until: null,
})
const system = (partitions: SystemHealth['partitions'], oldest: string | null = null): SystemHealth => ({
  at: AT,
  partitions,
  unread: partitions.reduce((sum, one) => sum + one.unread, 0),
  outbox: { waiting: oldest ? 1 : 0, oldest },
  newest: { event: null, stored: null },
  dead_letters: 0,
})

describe('what the pipeline comes to', () => {
  it.each([
    ['success', 'All is well', system([part(), part(900)])],
    ['success', 'All is well', system([part()], '2026-03-02T11:59:30Z')],
    ['warning', 'Messages are stuck', system([part()], '2026-03-02T11:55:00Z')],
    ['warning', 'Detectors are behind', system([part(600), part(600)])],
    ['warning', 'A detector is missing', system([part(5_000), part(0, 'none')])],
    ['warning', 'No detector is running', system([part(0, 'expired'), part(0, 'none')])],
    ['error', '3 records wait and nobody reads them', system([part(3, 'expired'), part(7)])],
    ['error', '1 record waits and nobody reads it', system([part(1, 'none')])],
  ])('is %s, "%s"', (level, title, found) => {
    expect(healthOf(found)).toMatchObject({ level, title })
  })
})

describe('who reads the log', () => {
  const owned = (number: number, owner: string, ownership: 'alive' | 'expired' | 'none', unread = 0) => ({
    ...part(unread, ownership),
    part: number,
    owner,
  })

  it('is told by detector, what nobody reads first', () => {
    const partitions = [
      owned(0, 'a', 'alive', 4),
      owned(1, 'b', 'expired', 7),
      owned(2, 'a', 'alive', 5),
      owned(3, '', 'none'),
    ]
    expect(readersOf(partitions)).toEqual([
      { owner: '', ownership: 'none', parts: [3], unread: 0 },
      { owner: 'b', ownership: 'expired', parts: [1], unread: 7 },
      { owner: 'a', ownership: 'alive', parts: [0, 2], unread: 9 },
    ])
  })

  it.each([
    [[], ''],
    [[5], '5'],
    [[0, 1, 2, 3, 7, 9, 10], '0–3, 7, 9–10'],
  ])('in ranges: %j', (numbers, text) => {
    expect(ranges(numbers)).toBe(text)
  })
})

describe('bytes', () => {
  it('are text, and what is no UTF-8 is marked', () => {
    expect(textOf(btoa('{"user":"a"}'))).toBe('{"user":"a"}')
    expect(textOf('w6bDuA==')).toBe('æø')
    expect(textOf(btoa('a\xff'))).toBe('a\ufffd')
    expect(textOf('')).toBe('')
  })
})

describe('DeadLetterItem', () => {
  const RECORD = '<img src=x onerror=alert(1)>'
  const letter = {
    id: 'gatewatch.logins-0-1',
    source: 'native',
    reason: 'bad_json',
    detail: 'Input data was truncated',
    raw: btoa(RECORD),
    size: RECORD.length,
    received_at: AT,
  }

  it('says why, and unfolds what came, as text', async () => {
    const { wrapper } = await shown(DeadLetterItem, { props: { letter } })
    expect(wrapper.text()).toContain('Bad JSON')
    expect(wrapper.find('pre').exists()).toBe(false)
    await wrapper.get('button').trigger('click')
    expect(wrapper.get('pre').text()).toBe(RECORD)
    expect(wrapper.find('img').exists()).toBe(false)
    expect(wrapper.text()).not.toContain('The first')
    expect(wrapper.get('button').attributes('aria-expanded')).toBe('true')
  })

  it('tells where only the beginning was kept', async () => {
    const { wrapper } = await shown(DeadLetterItem, { props: { letter: { ...letter, size: 90_000 } } })
    await wrapper.get('button').trigger('click')
    expect(wrapper.text()).toContain(`The first ${RECORD.length} bytes.`)
  })
})
