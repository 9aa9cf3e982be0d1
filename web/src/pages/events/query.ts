/** What the page of events asks: its filters as the API takes them. */
import { ask, client, type LoginEvent, type Page } from '@/api/client'
import type { paths } from '@/api/schema'

/** The filters as they stand in the URL. `source` is an address or a prefix. */
export const FILTERS = { user: '', source: '', asn: '', country: '', outcome: '', detector: '', score: '' }
export type Filters = typeof FILTERS

export type Query = NonNullable<paths['/v1/events']['get']['parameters']['query']>

const OUTCOMES = ['success', 'failure', 'challenge', 'unknown'] as const

/** The parameters of a request. What cannot be asked for is left to the server to refuse, in words. */
export function queryOf(filters: Filters, bounds: { since: string; until?: string }): Query {
  const source = filters.source.trim()
  return {
    ...bounds,
    ...(filters.user.trim() && { user: filters.user.trim() }),
    ...(source && (source.includes('/') ? { prefix: source } : { ip: source })),
    ...(filters.asn.trim() && { asn: asnOf(filters.asn) }),
    ...(filters.country.trim() && { country: filters.country.trim().toUpperCase() }),
    ...(filters.detector && { detector: filters.detector }),
    ...(filters.score && { min_score: Number(filters.score) }),
    ...(isOutcome(filters.outcome) && { outcome: filters.outcome }),
  }
}

function asnOf(text: string): number {
  return Number(text.trim().replace(/^as/i, ''))
}

function isOutcome(text: string): text is (typeof OUTCOMES)[number] {
  return (OUTCOMES as readonly string[]).includes(text)
}

/** A page of events. Throws an `ApiProblem`. */
export function loadEvents(query: Query, cursor?: string, signal?: AbortSignal): Promise<Page<LoginEvent>> {
  return ask(client.GET('/v1/events', { params: { query: { ...query, ...(cursor && { cursor }) } }, signal }))
}
