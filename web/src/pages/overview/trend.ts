/** How a number compares with the same length of time before. */
import { sum } from '@/components/charts/series'

export type Trend =
  { kind: 'unknown' } | { kind: 'same' } | { kind: 'first' } | { kind: 'more' | 'fewer'; percent: number }

/**
 * The trend of stretches against as many before them. Only those that are `over` count, on both sides: a stretch that
 * goes on yet would always look like fewer.
 */
export function trendOf(now: number[], before: number[] | null, over: number): Trend {
  if (!before || over < 1) return { kind: 'unknown' }
  const [is, was] = [sum(now.slice(0, over)), sum(before.slice(0, over))]
  if (is === was) return { kind: 'same' }
  if (!was) return { kind: 'first' }
  return { kind: is > was ? 'more' : 'fewer', percent: Math.round((100 * Math.abs(is - was)) / was) }
}

/** A trend in a few words: `12% more than before`. */
export function trendText(trend: Trend): string {
  switch (trend.kind) {
    case 'unknown':
      return ''
    case 'same':
      return 'As before'
    case 'first':
      return 'None in the time before'
    default:
      return `${trend.percent < 1 ? '<1' : trend.percent > 999 ? '>999' : trend.percent}% ${trend.kind} than before`
  }
}
