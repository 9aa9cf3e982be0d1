import { describe, expect, it } from 'vitest'
import type { Anomaly, EventDetail, LoginEvent, Reason } from '@/api/client'
import HeatMap from '@/components/charts/HeatMap.vue'
import ScoreBars from '@/components/charts/ScoreBars.vue'
import { runsOf } from '@/format/runs'
import { duration } from '@/format/time'
import { hourName, hoursOf } from '@/format/week'
import { compared } from '@/pages/anomaly/compare'
import { momentOf, pointOf } from '@/pages/anomaly/facts'
import { reasonsOf } from '@/pages/anomaly/judgement'
import { timelineOf } from '@/pages/anomaly/timeline'
import { shown } from './support'

const HOUR = 3_600_000
const reason = (detector: string, points: number): Reason => ({
  detector,
  code: detector,
  points,
  strength: points / 100,
  kind: 'rule',
  attack: ['T1078.004', 'not one'],
  sentence: `${detector} happened`,
  evidence: {},
})
const anomaly = (more: Partial<Anomaly> = {}) =>
  ({
    detector: 'new_device',
    score: 60,
    subject_kind: 'user',
    subject: 'alice',
    sentence: 'It happened',
    first_seen: '2026-04-06T12:00:00Z',
    last_seen: '2026-04-06T13:00:00Z',
    attack: [],
    evidence: {},
    ...more,
  }) as Anomaly

describe('the comparison', () => {
  const travel = {
    km: 5_899,
    kmh: 29_496,
    minutes: 12,
    city: 'Lagos',
    country: 'NG',
    other_country: 'NO',
    other_is: 'before',
    threshold_kmh: 900,
    threshold_km: 500,
    known_device: false,
  }
  const rows = (evidence: Record<string, unknown>, detector = 'impossible_travel', kind = 'user') =>
    compared([{ detector, evidence }], kind)

  it('tells what was seen, what is usual, and how many times a limit was reached', () => {
    const speed = rows(travel).find(({ name }) => name === 'Speed between them')
    expect(speed).toMatchObject({ seen: '29,496 km/h', usual: 'at most 900 km/h', odd: true })
    expect(speed?.times).toBeCloseTo(32.8, 1)
    expect(rows(travel)[0]).toMatchObject({ seen: 'Lagos, Nigeria', usual: 'Norway in the login before' })
    expect(rows(travel).at(-1)).toMatchObject({ name: 'Device', odd: true })
  })

  it('leaves out what is missing or of another kind, and knows nothing of detectors of others', () => {
    const wrong = { km: 'far', kmh: NaN, city: 7, country: null, known_device: 'no' }
    expect(rows(wrong).map(({ name }) => name)).toEqual([])
    expect(rows(travel, 'somebody_elses')).toEqual([])
  })

  it('is by the detector of a source where the subject is one', () => {
    const evidence = { failures: 104, users: 40, threshold: 10, thresholds: { failures: 25, window_s: 600 } }
    const [first] = rows(evidence, 'brute_force', 'ip')
    expect(first).toMatchObject({ name: 'Failed attempts in 10 minutes', usual: 'fewer than 25', odd: true })
    expect(rows({ ...evidence, window_s: 600 }, 'brute_force')[0]).toMatchObject({ usual: 'fewer than 10' })
  })

  it('names a line once, however many detectors have it', () => {
    const both = compared(
      [
        { detector: 'new_country', evidence: { country: 'NG', usual: ['NO'], history: 30 } },
        { detector: 'new_device', evidence: { os: 'iOS', usual_os: ['Windows'], history: 30, devices: 1 } },
      ],
      'user',
    )
    const names = both.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    expect(both.find(({ name }) => name === 'System')).toMatchObject({
      seen: 'iOS',
      usual: 'Windows',
      odd: true,
    })
  })

  it.each(['account_takeover', 'distributed_brute_force', 'dormant_account', 'login_risk', 'unusual_time'])(
    'has a line for %s',
    (detector) => {
      const evidence = {
        failures: 12,
        threshold: 10,
        days: 120,
        threshold_days: 60,
        raw: 9,
        midpoint: 5,
        hour: 3,
      }
      expect(rows(evidence, detector).length).toBeGreaterThan(0)
    },
  )
})

describe('evidence', () => {
  it('has points and moments only where they can be', () => {
    expect(pointOf({ point: [59.9, 10.7] }, 'point')).toEqual({ lat: 59.9, lon: 10.7 })
    for (const point of [[91, 0], [0, 181], [1], ['1', 2], null])
      expect(pointOf({ point }, 'point')).toBeNull()
    expect(momentOf({ time: 1_775_476_800_000_000 }, 'time')?.toISOString()).toBe('2026-04-06T12:00:00.000Z')
    for (const time of [0, -1, 1e300, 'x']) expect(momentOf({ time }, 'time')).toBeNull()
  })
})

describe('the reasons of an anomaly', () => {
  const detail = (score: number, later: object[] = []) =>
    ({
      event: { score },
      reasons: [reason('new_device', 40), reason('new_country', 20)],
      later,
    }) as EventDetail

  it('are those of its login, at the time or afterwards, whichever gave it its score', () => {
    expect(reasonsOf(anomaly(), detail(60)).map(({ points }) => points)).toEqual([40, 20])
    const takeover = anomaly({ detector: 'account_takeover', score: 75 })
    const later = [{ score: 75, reasons: [reason('account_takeover', 75)] }]
    expect(reasonsOf(takeover, detail(60, later))).toEqual([reason('account_takeover', 75)])
    const stuffing = { ...reason('account_takeover', 75), evidence: { finding: 'credential_stuffing' } }
    const both = detail(60, [...later, { score: 75, reasons: [stuffing] }])
    expect(reasonsOf({ ...takeover, evidence: stuffing.evidence }, both)).toEqual([stuffing])
  })

  it('are its own alone where no login says more', () => {
    for (const found of [null, detail(10)]) {
      expect(reasonsOf(anomaly(), found)).toMatchObject([{ detector: 'new_device', points: 60 }])
    }
  })
})

describe('the timeline of an anomaly', () => {
  it('goes from an hour before to an hour after, and has the login it is compared with', () => {
    expect(timelineOf(anomaly())).toEqual({
      user: 'alice',
      limit: 200,
      since: '2026-04-06T11:00:00.000Z',
      until: '2026-04-06T14:00:00.000Z',
    })
    const other_time = (Date.parse('2026-04-06T12:00:00Z') - 5 * HOUR) * 1_000
    expect(timelineOf(anomaly({ evidence: { other_time } }))?.since).toBe('2026-04-06T06:00:00.000Z')
  })

  it.each([
    ['ip', '192.0.2.1', { ip: '192.0.2.1' }],
    ['prefix', '192.0.2.0/24', { prefix: '192.0.2.0/24' }],
    ['asn', '64512', { asn: 64_512 }],
    ['country', 'NO', { country: 'NO' }],
  ])('of %s %s asks for it', (subject_kind, subject, query) => {
    expect(timelineOf(anomaly({ subject_kind, subject }))).toMatchObject(query)
  })

  it('is none where logins cannot be asked for by the subject', () => {
    expect(timelineOf(anomaly({ subject_kind: 'tenant', subject: '' }))).toBeNull()
  })
})

describe('runs of logins', () => {
  const login = (more: Partial<LoginEvent> = {}) =>
    ({
      user: 'alice',
      ip: '192.0.2.1',
      outcome: 'failure',
      reason: 'a',
      level: 'none',
      detectors: [],
      ...more,
    }) as LoginEvent

  it('take together tries that are alike, and never successes', () => {
    const success = login({ outcome: 'success' })
    const runs = runsOf([
      success,
      success,
      login(),
      login(),
      login({ ip: '192.0.2.2' }),
      login({ reason: 'b' }),
    ])
    expect(runs.map(({ count }) => count)).toEqual([1, 1, 2, 1, 1])
  })

  it('across users tell how many, and a reason only where it is one', () => {
    const [run] = runsOf([login(), login({ user: 'bob', reason: 'b' }), login()], true)
    expect(run).toMatchObject({ count: 3, users: 2, reason: '' })
    expect(runsOf([login(), login({ detectors: ['brute_force'] })], true)).toHaveLength(2)
  })
})

describe('the hours of a week', () => {
  it('are shown as the zone has them, around the end of the week too', () => {
    const sunday = [{ value: '167', weight: 4 }]
    expect(hoursOf(sunday, 'UTC').indexOf(4)).toBe(167)
    expect(hoursOf(sunday, 'Asia/Tokyo').indexOf(4)).toBe(8)
    expect(
      hoursOf([{ value: '0', weight: 2 }], 'America/New_York', Date.parse('2026-01-05T00:00Z')).indexOf(2),
    ).toBe(163)
    expect(
      hoursOf(
        [
          { value: 'x', weight: 1 },
          { value: '168', weight: 1 },
        ],
        'UTC',
      ).every((one) => one === 0),
    ).toBe(true)
  })

  it('have names', () => {
    expect(hourName(0)).toBe('Monday 00:00–01:00')
    expect(hourName(167)).toBe('Sunday 23:00–00:00')
  })

  it('are told under the mouse and under the arrows', async () => {
    const hours = Array.from({ length: 168 }, (_, hour) => (hour === 9 ? 3 : hour === 33 ? 1 : 0))
    const { wrapper } = await shown(HeatMap, { props: { hours, label: 'Hours' } })
    const told = () => wrapper.get('[role=status]').text()
    expect(told()).toBe('Most usual: Monday 09:00–10:00, 75% of the logins')
    await wrapper.get('[role=group]').trigger('keydown', { key: 'ArrowDown' })
    expect(told()).toBe('Tuesday 09:00–10:00, 25% of the logins')
    await wrapper.findAll('td')[0]!.trigger('mouseenter')
    expect(told()).toBe('Monday 00:00–01:00, 0% of the logins')
  })

  it('of nobody are none', async () => {
    const { wrapper } = await shown(HeatMap, { props: { hours: Array(168).fill(0), label: 'Hours' } })
    expect(wrapper.get('[role=status]').text()).toBe('No trusted login yet.')
  })
})

describe('ScoreBars', () => {
  it('begins each signal where the one before ended, up to the score, and links techniques alone', async () => {
    const reasons = [reason('new_device', 40), reason('new_country', 20)]
    const { wrapper } = await shown(ScoreBars, { props: { reasons, score: 60 } })
    const bars = wrapper.findAll('.bar').map((bar) => bar.attributes('style'))
    expect(bars[1]).toContain('margin-inline-start: 40%')
    expect(bars[1]).toContain('width: 20%')
    expect(bars[2]).toContain('width: 60%')
    expect(wrapper.text()).toContain('60 of 100')
    const links = wrapper.findAll('a').map((link) => link.attributes('href'))
    expect(new Set(links)).toEqual(new Set(['https://attack.mitre.org/techniques/T1078/004/']))
    expect(wrapper.text()).toContain('not one')
  })
})

describe('duration', () => {
  it.each([
    [1, '1 second'],
    [60, '1 minute'],
    [90, '90 seconds'],
    [480, '8 minutes'],
    [86_400, '1 day'],
    [700_000, '8 days'],
  ])('of %i s is %s', (seconds, text) => expect(duration(seconds)).toBe(text))
})
