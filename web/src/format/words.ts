const CAPITALS = new Set(['mfa', 'ip', 'asn', 'isp', 'vpn', 'json', 'id'])

/** A code as words: `impossible_travel` is "Impossible travel", `mfa_denied` is "MFA denied". */
export function words(code: string): string {
  const text = code
    .split('_')
    .map((word) => (CAPITALS.has(word) ? word.toUpperCase() : word))
    .join(' ')
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/** Codes as choices of a filter. */
export const choicesOf = (codes: readonly string[]): { title: string; value: string }[] =>
  codes.map((value) => ({ title: words(value), value }))
