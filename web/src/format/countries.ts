const NAMES = new Intl.DisplayNames('en', { type: 'region' })
const CODE = /^[A-Z]{2}$/

/** A country's name in English, its code where that is none. */
export function countryName(code: string): string {
  return CODE.test(code) ? (NAMES.of(code) ?? code) : code
}

/** A country's flag, as the two regional letters that fonts make one of; "" for what is no code. */
export function flag(code: string): string {
  return CODE.test(code)
    ? String.fromCodePoint(...[...code].map((letter) => 0x1f1a5 + letter.charCodeAt(0)))
    : ''
}
