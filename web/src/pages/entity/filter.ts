import type { Filters } from '@/pages/events/query'

/** The filters of the list of events that show a source. */
export function filterOf(kind: string, value: string): Partial<Filters> {
  if (kind === 'asn') return { asn: value }
  return kind === 'country' ? { country: value } : { source: value }
}
