import { describe, expect, it } from 'vitest'
import { countryName, flag } from '@/format/countries'
import { compact, percent, whole } from '@/format/numbers'
import { dateTime, instant, isZone, relative, zones } from '@/format/time'
import { words } from '@/format/words'
import { entityPath, eventPath, userPath } from '@/links'

const AT = '2026-03-02T23:30:05Z'
const NOW = Date.parse('2026-03-02T23:45:00Z')

describe('moments', () => {
  it.each([
    ['UTC', 'second', '2026-03-02 23:30:05'],
    ['Asia/Kolkata', 'second', '2026-03-03 05:00:05'],
    ['UTC', 'clock', '23:30:05'],
    ['America/New_York', 'minute', '2026-03-02 18:30'],
    ['UTC', 'full', '2026-03-02 23:30:05 UTC'],
    ['UTC', 'day', '2026-03-02'],
  ] as const)('in %s as %s are %s', (zone, shape, shown) => {
    expect(dateTime(AT, zone, shape, NOW)).toBe(shown)
  })

  it('of other days and years say as much as they must', () => {
    expect(dateTime('2026-02-01T10:00:00Z', 'UTC', 'clock', NOW)).toBe('02-01 10:00:00')
    expect(dateTime('2025-02-01T10:00:00Z', 'UTC', 'clock', NOW)).toBe('2025-02-01 10:00:00')
    expect(dateTime('never', 'UTC')).toBe('–')
  })

  it('are told by how long ago they were', () => {
    expect(relative(AT, NOW)).toBe('14 min. ago')
    expect(relative(NOW - 2 * 86_400_000, NOW)).toBe('2 days ago')
    expect(relative(NOW, NOW)).toBe('now')
  })

  it.each([
    ['2026-03-02T08:00', 'UTC', '2026-03-02T08:00:00.000Z'],
    ['2026-07-02T08:00', 'Europe/Oslo', '2026-07-02T06:00:00.000Z'],
    ['2026-03-29T01:59', 'Europe/Oslo', '2026-03-29T00:59:00.000Z'],
    ['2026-03-29T03:01', 'Europe/Oslo', '2026-03-29T01:01:00.000Z'],
    ['2026-10-25T02:30', 'Europe/Oslo', '2026-10-25T00:30:00.000Z'],
  ])('that clocks show as %s in %s are %s', (shown, zone, is) => {
    expect(instant(shown, zone).toISOString()).toBe(is)
  })

  it('are shown in zones that the browser knows', () => {
    expect(isZone('Europe/Oslo')).toBe(true)
    expect(isZone('<script>')).toBe(false)
    expect(zones()[0]).toBe('UTC')
  })
})

describe('words and numbers', () => {
  it('are what people read', () => {
    expect(words('impossible_travel')).toBe('Impossible travel')
    expect(words('mfa_denied')).toBe('MFA denied')
    expect([whole(12_345), compact(12_345), percent(1, 3), percent(1, 0), percent(1, 20)]).toEqual([
      '12,345',
      '12.3K',
      '33%',
      '0%',
      '5.0%',
    ])
  })

  it('of countries are names and flags, or the code where it is none', () => {
    expect([countryName('NO'), flag('NO'), countryName('<b>'), flag('<b>')]).toEqual([
      'Norway',
      '🇳🇴',
      '<b>',
      '',
    ])
  })
})

describe('links', () => {
  it('escape whatever a name holds', () => {
    expect(userPath('host/web@x?#')).toBe('/users/host%2Fweb%40x%3F%23')
    expect(entityPath('prefix', '203.0.113.0/24')).toBe('/entities/prefix/203.0.113.0%2F24')
    expect(eventPath('a/b').query).toEqual({ event: 'a/b' })
  })
})
