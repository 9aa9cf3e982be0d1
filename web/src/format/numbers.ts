const WHOLE = new Intl.NumberFormat('en')
const COMPACT = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })

/** A number in full: `12,345`. */
export const whole = (value: number): string => WHOLE.format(value)

/** A number in little room: `12.3K`. */
export const compact = (value: number): string => COMPACT.format(value)

/** A share in percent; nothing of nothing is none. */
export function percent(part: number, of: number): string {
  const share = of ? (100 * part) / of : 0
  return `${share.toFixed(share > 0 && share < 10 ? 1 : 0)}%`
}
