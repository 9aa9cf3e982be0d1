/**
 * How exact a moment is shown. `clock` leaves out the day where it is today's,
 * and the year where it is this year's.
 */
export type Shape = 'day' | 'minute' | 'second' | 'clock' | 'full'

const formats = new Map<string, Intl.DateTimeFormat>()

/** A moment's year, month, day, hour, minute and second in a zone, as two or four digits each. */
function parts(moment: Date, zone: string): Record<string, string> {
  let format = formats.get(zone)
  if (!format) {
    format = new Intl.DateTimeFormat('en-GB', {
      timeZone: zone,
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      hourCycle: 'h23',
    })
    formats.set(zone, format)
  }
  return Object.fromEntries(format.formatToParts(moment).map(({ type, value }) => [type, value]))
}

/** A moment in a zone: `2026-11-26 03:39:12`, or as much of it as the shape says. */
export function dateTime(
  moment: string | number | Date,
  zone: string,
  shape: Shape = 'second',
  now = Date.now(),
): string {
  const at = new Date(moment)
  if (Number.isNaN(at.getTime())) return '–'
  const is = parts(at, zone)
  const day = `${is.year}-${is.month}-${is.day}`
  const clock = `${is.hour}:${is.minute}`
  switch (shape) {
    case 'day':
      return day
    case 'minute':
      return `${day} ${clock}`
    case 'clock':
      return `${since(day, dateTime(now, zone, 'day'))}${clock}:${is.second}`
    case 'second':
      return `${day} ${clock}:${is.second}`
    case 'full':
      return `${day} ${clock}:${is.second} ${zone}`
  }
}

/** As much of a day as it differs from today in, with a space behind it. */
function since(day: string, today: string): string {
  if (day === today) return ''
  return `${day.slice(0, 4) === today.slice(0, 4) ? day.slice(5) : day} `
}

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
]
const RELATIVE = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'short' })

/** How long ago, in the largest unit that fits: `3 min. ago`. */
export function relative(moment: string | number | Date, now = Date.now()): string {
  const seconds = Math.round((new Date(moment).getTime() - now) / 1_000)
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ['second', 1]
  return RELATIVE.format(Math.trunc(seconds / size), unit)
}

/** A length of time in whole units: `45 seconds`, `8 minutes`, `3 hours`, `7 days`. */
export function duration(seconds: number): string {
  const [unit, size] = UNITS.find(([, size]) => seconds >= 2 * size || seconds === size) ?? ['second', 1]
  const count = Math.round(seconds / size)
  return `${count} ${unit}${count === 1 ? '' : 's'}`
}

/** The moment at which clocks of a zone show this (`2026-11-26T03:39`). Of an hour that comes twice, the first. */
export function instant(shown: string, zone: string): Date {
  const wanted = Date.parse(`${shown.length === 16 ? `${shown}:00` : shown}Z`)
  const offset = (at: number) => Date.parse(`${dateTime(at, zone).replace(' ', 'T')}Z`) - at
  const first = wanted - offset(wanted - 86_400_000)
  return new Date(first + offset(first) === wanted ? first : wanted - offset(first))
}

/** Whether the browser knows a zone of this name. */
export function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

/** Every zone that the browser knows, UTC first. */
export function zones(): string[] {
  return ['UTC', ...Intl.supportedValuesOf('timeZone').filter((zone) => zone !== 'UTC')]
}
