/** Where each thing has its page. Keys may hold anything: they are escaped here and nowhere else. */
const at = (...steps: (string | number)[]) => `/${steps.map((step) => encodeURIComponent(step)).join('/')}`

export type EntityKind = 'ip' | 'prefix' | 'asn' | 'country'

export const userPath = (key: string) => at('users', key)
export const entityPath = (kind: EntityKind, value: string | number) => at('entities', kind, value)
export const anomalyPath = (id: string) => at('anomalies', id)
/** An event has its place in the panel beside the list. */
export const eventPath = (id: string) => ({ path: '/events', query: { event: id } })
