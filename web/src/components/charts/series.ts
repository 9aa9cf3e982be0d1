/** What is drawn over time, and how it is told in words. */
import { compact, whole } from '@/format/numbers'

/** One of the things that are drawn, as bars that are stacked; `colour` is a name of the theme's. */
export interface Line {
  name: string
  values: number[]
  colour: string
}

/** The day of a moment as it is shown. */
const dayOf = (shown = ''): string => shown.slice(0, 10)

/** The axis of stretches of `step` seconds by their names; over more than two days only days are named. */
export function timeAxis(names: string[], step: number, muted: string) {
  const long = names.length * step > 2 * 86_400
  const interval = (index: number) => !index || dayOf(names[index]) !== dayOf(names[index - 1])
  return {
    type: 'category',
    data: names,
    axisTick: { show: false },
    axisLine: { lineStyle: { color: muted, opacity: 0.4 } },
    axisLabel: {
      color: muted,
      fontSize: 11,
      hideOverlap: true,
      ...(long && { interval }),
      formatter: (name: string) => (long ? name.slice(5, 10) : name.slice(11)),
    },
  }
}

/** The axis of what is counted. */
export function countAxis(muted: string) {
  return {
    type: 'value',
    minInterval: 1,
    splitNumber: 3,
    axisLabel: { color: muted, fontSize: 11, formatter: (value: number) => compact(value) },
    splitLine: { lineStyle: { color: muted, opacity: 0.16 } },
  }
}

export const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0)

/** A chart in a sentence: what each line comes to, and where it is highest. */
export function summary(title: string, names: string[], lines: Line[]): string {
  const said = lines.map(({ name, values }) => {
    const most = Math.max(0, ...values)
    const peak = most ? `, most at ${names[values.indexOf(most)]} (${whole(most)})` : ''
    return `${name} ${whole(sum(values))}${peak}`
  })
  return `${title}: ${said.join('; ')}`
}
