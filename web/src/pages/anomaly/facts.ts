/** Evidence as values: it may be older than this code or a third party's, so a key may be missing or of another type. */
export type Evidence = Record<string, unknown>

export function numberOf(evidence: Evidence, key: string): number | null {
  const value = evidence[key]
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}

export function textOf(evidence: Evidence, key: string): string {
  const value = evidence[key]
  return typeof value === 'string' ? value : ''
}

export function listOf(evidence: Evidence, key: string): string[] {
  const value = evidence[key]
  return Array.isArray(value) ? value.map(String) : []
}

export function recordOf(evidence: Evidence, key: string): Evidence {
  const value = evidence[key]
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Evidence) : {}
}

export const flagOf = (evidence: Evidence, key: string): boolean | null =>
  typeof evidence[key] === 'boolean' ? (evidence[key] as boolean) : null

/** A point [lat, lon] on the globe. */
export function pointOf(evidence: Evidence, key: string): { lat: number; lon: number } | null {
  const value = evidence[key]
  if (!Array.isArray(value) || value.length !== 2) return null
  const [lat, lon] = value as unknown[]
  if (typeof lat !== 'number' || typeof lon !== 'number') return null
  return Math.abs(lat) <= 90 && Math.abs(lon) <= 180 ? { lat, lon } : null
}

/** Moments in evidence are microseconds since 1970. */
export function momentOf(evidence: Evidence, key: string): Date | null {
  const micros = numberOf(evidence, key)
  const found = micros && micros > 0 ? new Date(micros / 1_000) : null
  return found && !Number.isNaN(found.getTime()) ? found : null
}
