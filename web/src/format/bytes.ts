/** Bytes in base 64 as text; what is no UTF-8 shows as U+FFFD. */
export function textOf(base64: string): string {
  const bytes = Uint8Array.from(atob(base64), (one) => one.charCodeAt(0))
  return new TextDecoder().decode(bytes)
}
