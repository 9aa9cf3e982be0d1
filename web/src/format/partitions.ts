import type { SystemHealth } from '@/api/client'

type Partition = SystemHealth['partitions'][number]

/** Whoever reads some partitions, or nobody (`owner` is empty). */
export interface Reader {
  owner: string
  ownership: Partition['ownership']
  parts: number[]
  unread: number
}

const TROUBLE = { none: 0, expired: 1, alive: 2 } as const

/** Who reads what, those who do not before those who do. */
export function readersOf(partitions: Partition[]): Reader[] {
  const found = new Map<string, Reader>()
  for (const { part, owner, ownership, unread } of partitions) {
    const key = `${ownership} ${owner}`
    const reader = found.get(key) ?? { owner, ownership, parts: [], unread: 0 }
    reader.parts.push(part)
    reader.unread += unread
    found.set(key, reader)
  }
  return [...found.values()].sort((one, other) => TROUBLE[one.ownership] - TROUBLE[other.ownership])
}

/** Ascending numbers in short: `0–3, 7`. */
export function ranges(numbers: number[]): string {
  const runs: [number, number][] = []
  for (const number of numbers) {
    const last = runs.at(-1)
    if (last?.[1] === number - 1) last[1] = number
    else runs.push([number, number])
  }
  return runs.map(([from, to]) => (from === to ? String(from) : `${from}–${to}`)).join(', ')
}
