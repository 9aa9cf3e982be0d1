/** What the page of anomalies asks: its filters as the API takes them. */
import { ask, client, type Anomaly, type Page, type Status } from '@/api/client'
import type { paths } from '@/api/schema'

/** The filters as they stand in the URL. `severity` is the least. */
export const FILTERS = { status: 'open', severity: '', detector: '', subject: '' }
export type Filters = typeof FILTERS

export type Query = NonNullable<paths['/v1/anomalies']['get']['parameters']['query']>

export const SEVERITIES = ['low', 'medium', 'high', 'critical'] as const
export const STATUSES: readonly Status[] = ['new', 'in_progress', 'suppressed', 'resolved']
/** What there still is to do. */
const OPEN: Status[] = ['new', 'in_progress']

/** The parameters of a request. What cannot be asked for is left to the server to refuse, in words. */
export function queryOf(filters: Filters, bounds: { since: string; until?: string }): Query {
  const status = statusesOf(filters.status)
  const least = SEVERITIES.findIndex((one) => one === filters.severity)
  return {
    ...bounds,
    ...(status && { status }),
    ...(least > 0 && { severity: SEVERITIES.slice(least) }),
    ...(filters.detector && { detector: filters.detector }),
    ...(filters.subject.trim() && { subject: filters.subject.trim() }),
  }
}

function statusesOf(name: string): Status[] | null {
  if (name === 'all') return null
  const one = STATUSES.find((status) => status === name)
  return one ? [one] : OPEN
}

/** A page of anomalies. Throws an `ApiProblem`. */
export function loadAnomalies(query: Query, cursor?: string, signal?: AbortSignal): Promise<Page<Anomaly>> {
  return ask(
    client.GET('/v1/anomalies', { params: { query: { ...query, ...(cursor && { cursor }) } }, signal }),
  )
}
