import { ref, shallowRef } from 'vue'
import { ask, client, type Anomaly, type Status } from '@/api/client'
import { asProblem, type ApiProblem } from '@/api/problems'

/** What became of the last change: done, or somebody else was first, or it failed. */
export type Notice =
  | { kind: 'changed'; status: Status; before: Status; revision: number }
  | { kind: 'conflict'; wanted: Status; status: Status }
  | { kind: 'failed'; sentence: string }

/** The status of one anomaly. Whatever becomes of a change, the anomaly is loaded again; undo is another change. */
export function useStatus(anomaly: () => Anomaly, reload: () => Promise<void>) {
  const busy = ref(false)
  const notice = shallowRef<Notice | null>(null)

  async function set(status: Status, revision = anomaly().revision): Promise<void> {
    const { id, status: before } = anomaly()
    busy.value = true
    try {
      const said = await ask(
        client.PATCH('/v1/anomalies/{id}', { params: { path: { id } }, body: { status, revision } }),
      )
      notice.value = { kind: 'changed', status, before, revision: said.revision }
    } catch (thrown) {
      notice.value = refusal(asProblem(thrown), status)
    }
    await reload()
    busy.value = false
  }

  async function undo(): Promise<void> {
    if (notice.value?.kind === 'changed') await set(notice.value.before, notice.value.revision)
  }

  return { busy, notice, set, undo, dismiss: () => (notice.value = null) }
}

function refusal(problem: ApiProblem, wanted: Status): Notice {
  const current = problem.body.current as { status: Status } | undefined
  return problem.code === 'conflict' && current
    ? { kind: 'conflict', wanted, status: current.status }
    : { kind: 'failed', sentence: problem.sentence }
}
