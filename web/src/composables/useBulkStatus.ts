import { ref, shallowRef, type Ref } from 'vue'
import { ask, client, type Anomaly, type Status, type StatusSaid } from '@/api/client'
import { asProblem } from '@/api/problems'

/** The most changes of one request. */
const MOST = 500

interface Change {
  id: string
  status: Status
  revision: number
}

/** What became of many changes. `undo` are the changes that take back those that were made. */
export interface Outcome {
  undo: Change[]
  conflicts: number
  unknown: number
  trouble: string
}

interface List {
  items: Ref<Anomaly[]>
  set: (items: Anomaly[]) => void
}

/** The statuses of many anomalies of a list: each is changed for itself, and the list shows what holds now. */
export function useBulkStatus(list: List) {
  const busy = ref(false)
  const outcome = shallowRef<Outcome | null>(null)

  async function apply(changes: Change[]): Promise<void> {
    const made: Outcome = { undo: [], conflicts: 0, unknown: 0, trouble: '' }
    busy.value = true
    try {
      for (let at = 0; at < changes.length; at += MOST) await send(changes.slice(at, at + MOST), made)
    } catch (thrown) {
      made.trouble = asProblem(thrown).sentence
    }
    busy.value = false
    outcome.value = made
  }

  async function send(changes: Change[], made: Outcome): Promise<void> {
    const { results } = await ask(client.POST('/v1/anomalies/statuses', { body: { changes } }))
    const before = new Map(list.items.value.map((one) => [one.id, one.status]))
    const now = new Map<string, StatusSaid>()
    for (const { id, outcome, said } of results) {
      if (said) now.set(id, said)
      if (outcome === 'changed' && said) {
        made.undo.push({ id, status: before.get(id) ?? 'new', revision: said.revision })
      } else if (outcome === 'conflict') made.conflicts++
      else made.unknown++
    }
    list.set(list.items.value.map((one) => saidOf(one, now.get(one.id))))
  }

  /** Give the anomalies of these ids a status. */
  const change = (ids: ReadonlySet<string>, status: Status) =>
    apply(
      list.items.value
        .filter((one) => ids.has(one.id) && one.status !== status)
        .map(({ id, revision }) => ({ id, status, revision })),
    )
  const undo = () => apply(outcome.value?.undo ?? [])

  return { busy, outcome, change, undo, dismiss: () => (outcome.value = null) }
}

function saidOf(anomaly: Anomaly, said: StatusSaid | undefined): Anomaly {
  if (!said) return anomaly
  const since = said.status === 'resolved' ? Math.max(0, anomaly.count - said.hits) : 0
  const { status, revision, changed_at, changed_by } = said
  return { ...anomaly, status, revision, changed_at, changed_by, since }
}

/** An outcome in words. */
export function told({ undo, conflicts, unknown, trouble }: Outcome): string {
  const parts = [`${undo.length} changed`]
  if (conflicts)
    parts.push(`${conflicts} left alone: somebody else changed ${conflicts === 1 ? 'it' : 'them'} first`)
  if (unknown) parts.push(`${unknown} no longer there`)
  if (trouble) parts.push(trouble)
  return parts.join('. ') + '.'
}
