/** What was seen against what is usual or allowed, from the evidence that was stored when it was judged. */
import { countryName } from '@/format/countries'
import { whole } from '@/format/numbers'
import { duration } from '@/format/time'
import { words } from '@/format/words'
import { flagOf, listOf, numberOf, recordOf, textOf, type Evidence } from './facts'

/** A line of the comparison. `times` is how many times the limit was reached; `odd` that it is not as usual. */
export interface Row {
  name: string
  seen: string
  usual: string
  times?: number
  odd?: boolean
}

type Reader = (evidence: Evidence) => (Row | null)[]

/** From this weight on a value is the user's own: one login of the last three months. */
const KNOWN = 0.5

/** A number against its limit. */
function limit(
  name: string,
  seen: number | null,
  most: number | null,
  unit = '',
  said = 'fewer than',
): Row | null {
  if (seen === null) return null
  const usual = most === null ? '–' : `${said} ${shown(most)}${unit}`
  const times = most !== null && most > 0 ? seen / most : undefined
  return { name, seen: `${shown(seen)}${unit}`, usual, times, odd: times !== undefined && times >= 1 }
}

/** A value against those that are usual. */
function value(name: string, seen: string, usual: string[], odd?: boolean): Row | null {
  if (!seen) return null
  const listed = usual.length ? usual.join(', ') : '–'
  return { name, seen, usual: listed, odd: odd ?? (usual.length > 0 && !usual.includes(seen)) }
}

/** Whether something is the user's own. */
function own(name: string, known: boolean | null): Row | null {
  return known === null
    ? null
    : { name, seen: known ? 'the user’s own' : 'never used before', usual: 'the user’s own', odd: !known }
}

const shown = (number: number): string =>
  Math.abs(number) < 100 && number % 1 ? number.toFixed(1) : whole(Math.round(number))
const weighed = (weight: number | null): boolean | null => (weight === null ? null : weight >= KNOWN)
const within = (evidence: Evidence): string => {
  const seconds = numberOf(evidence, 'window_s')
  return seconds ? ` in ${duration(seconds)}` : ''
}

const travel: Reader = (e) => {
  const other = textOf(e, 'other_country')
  const order = textOf(e, 'other_is') === 'after' ? 'after' : 'before'
  const place = [textOf(e, 'city'), countryName(textOf(e, 'country'))].filter(Boolean).join(', ')
  const minutes = numberOf(e, 'minutes')
  return [
    value('Place', place, [
      `${other ? countryName(other) : textOf(e, 'other_address')} in the login ${order}`,
    ]),
    limit('Speed between them', numberOf(e, 'kmh'), numberOf(e, 'threshold_kmh'), ' km/h', 'at most'),
    limit('Distance', numberOf(e, 'km'), numberOf(e, 'threshold_km'), ' km', 'counts from'),
    minutes === null ? null : { name: 'Time between them', seen: duration(minutes * 60), usual: '–' },
    value(
      'Kind of network',
      words(textOf(e, 'network')),
      [words(textOf(e, 'other_network'))].filter(Boolean),
    ),
    own('Device', flagOf(e, 'known_device')),
  ]
}

const takeover: Reader = (e) => [
  limit(`Failed attempts before${within(e)}`, numberOf(e, 'failures'), numberOf(e, 'typing_errors')),
  own('Address', weighed(numberOf(e, 'known_address'))),
  own('Device', weighed(numberOf(e, 'known_device'))),
  value('Attack from the same source', words(textOf(e, 'finding')), ['none']),
]

const bruteForce: Reader = (e) => [
  limit(`Failed attempts${within(e)}`, numberOf(e, 'failures'), numberOf(e, 'threshold')),
  perDay(e),
  limit('Addresses', numberOf(e, 'sources'), null),
]

const distributed: Reader = (e) => [
  limit(`Failed attempts${within(e)}`, numberOf(e, 'failures'), numberOf(e, 'threshold')),
  perDay(e),
  limit('Addresses', numberOf(e, 'sources'), numberOf(e, 'threshold_sources')),
  limit('Networks', numberOf(e, 'asns'), null),
  value('Countries', listOf(e, 'countries').map(countryName).join(', '), [], false),
]

function perDay(e: Evidence): Row | null {
  const [failures, usual] = [numberOf(e, 'failures'), numberOf(e, 'usual_per_day')]
  if (failures === null || usual === null) return null
  return {
    name: 'Failures a day',
    seen: `${shown(failures)} at once`,
    usual: shown(usual),
    odd: failures > usual,
  }
}

const newCountry: Reader = (e) => [
  value('Country', countryName(textOf(e, 'country')), listOf(e, 'usual').map(countryName)),
  history(e),
  own('Device', flagOf(e, 'known_device')),
]

const newDevice: Reader = (e) => [
  value('Browser', textOf(e, 'browser'), listOf(e, 'usual_browsers'), flagOf(e, 'new_browser') ?? undefined),
  value('System', textOf(e, 'os'), listOf(e, 'usual_os'), flagOf(e, 'new_os') ?? undefined),
  {
    name: 'Device',
    seen: 'never used before',
    usual: `${shown(numberOf(e, 'devices') ?? 0)} known`,
    odd: true,
  },
  history(e),
]

const unusualTime: Reader = (e) => {
  const [at, usual] = [numberOf(e, 'hour'), numberOf(e, 'usual_hour')]
  const spread = numberOf(e, 'spread_h')
  return [
    at === null
      ? null
      : value('Time of day (UTC)', clock(at), usual === null ? [] : [`around ${clock(usual)}`]),
    limit(
      `Logins within ${spread ?? 2} hours of it`,
      numberOf(e, 'nearby'),
      numberOf(e, 'expected'),
      '',
      'if spread evenly:',
    ),
    history(e),
  ]
}

const clock = (hour: number): string =>
  `${String(Math.floor(hour) % 24).padStart(2, '0')}:${String(Math.floor((hour % 1) * 60)).padStart(2, '0')}`

const dormant: Reader = (e) => [
  limit('Silence', numberOf(e, 'days'), numberOf(e, 'threshold_days'), ' days'),
  limit('Longest pause until then', numberOf(e, 'longest_pause_days'), null, ' days'),
  own('Address or device', flagOf(e, 'known')),
]

const loginRisk: Reader = (e) => [
  limit(
    'How unlike the user (likelihood ratio)',
    numberOf(e, 'raw'),
    numberOf(e, 'midpoint'),
    '',
    'half strength at',
  ),
  history(e),
]

function history(e: Evidence): Row | null {
  const logins = numberOf(e, 'history')
  return logins === null
    ? null
    : { name: 'Compared with', seen: `${shown(logins)} logins`, usual: 'trusted history' }
}

const source: Reader = (e) => {
  const least = recordOf(e, 'thresholds')
  const most = listOf(least, 'max_per_user').join(' to ')
  const tries = numberOf(e, 'max_per_user')
  return [
    limit(`Failed attempts${within(least)}`, numberOf(e, 'failures'), numberOf(least, 'failures')),
    limit('Accounts tried', numberOf(e, 'users'), numberOf(least, 'users')),
    limit('Names that do not exist', numberOf(e, 'unknown_users'), numberOf(least, 'unknown_users')),
    tries === null
      ? null
      : {
          name: 'Most tries on one account',
          seen: shown(tries),
          usual: most ? `an attack has ${most}` : '–',
        },
    limit('Accounts whose owner explains them', numberOf(e, 'explained_users'), null),
  ]
}

const READERS: Record<string, Reader> = {
  account_takeover: takeover,
  distributed_brute_force: distributed,
  dormant_account: dormant,
  impossible_travel: travel,
  login_risk: loginRisk,
  new_country: newCountry,
  new_device: newDevice,
  unusual_time: unusualTime,
}
const OF_SOURCES: Record<string, Reader> = {
  account_enumeration: source,
  brute_force: source,
  credential_stuffing: source,
  password_spraying: source,
}

function readerOf(detector: string, kind: string): Reader | undefined {
  const ofSource = kind === 'user' ? undefined : OF_SOURCES[detector]
  return ofSource ?? (detector === 'brute_force' ? bruteForce : READERS[detector])
}

/** The comparison of one or several detectors about a subject, each line once; none for detectors of others. */
export function compared(judged: { detector: string; evidence: Evidence }[], kind: string): Row[] {
  const rows = judged.flatMap(({ detector, evidence }) => readerOf(detector, kind)?.(evidence) ?? [])
  const known = new Set<string>()
  return rows.filter((row): row is Row => {
    if (row === null || known.has(row.name)) return false
    known.add(row.name)
    return true
  })
}
