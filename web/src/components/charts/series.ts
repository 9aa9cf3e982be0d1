/** What is drawn over time, and how it is told in words. */
import { whole } from '@/format/numbers'

/** One of the things that are drawn; `colour` is a name of the theme's. Bars are stacked. */
export interface Line {
  name: string
  values: number[]
  colour: string
  kind: 'bar' | 'line' | 'area'
}

/** The day of a moment as it is shown. */
export const dayOf = (shown = ''): string => shown.slice(0, 10)

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
