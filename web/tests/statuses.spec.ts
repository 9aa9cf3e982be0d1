import { describe, expect, it, vi } from 'vitest'
import { ref } from 'vue'
import type { Anomaly, Status } from '@/api/client'
import { told, useBulkStatus } from '@/composables/useBulkStatus'
import { useSelection } from '@/composables/useSelection'
import { useStatus } from '@/composables/useStatus'
import { answers, inSetup, problem, settled } from './support'

const anomaly = (id: string, status: Status = 'new', revision = 0) =>
  ({ id, status, revision, count: 5, since: 0 }) as Anomaly
const said = (status: Status, revision: number, hits = 5) => ({
  status,
  revision,
  hits,
  changed_at: '2026-04-06T12:00:00Z',
  changed_by: 'account:1',
  name: '',
})

describe('useStatus', () => {
  async function one() {
    const reload = vi.fn(async () => {})
    const { result } = await inSetup(() => useStatus(() => anomaly('a'), reload))
    return { ...result, reload }
  }

  it('changes under the revision that is shown, and undoes under the one that came of it', async () => {
    const requests = answers([200, said('resolved', 1)], [200, said('new', 2)])
    const { set, undo, notice, reload } = await one()
    await set('resolved')
    expect(notice.value).toEqual({ kind: 'changed', status: 'resolved', before: 'new', revision: 1 })
    await undo()
    expect(await requests[0]!.json()).toEqual({ status: 'resolved', revision: 0 })
    expect(await requests[1]!.json()).toEqual({ status: 'new', revision: 1 })
    expect(reload).toHaveBeenCalledTimes(2)
  })

  it('tells who was first, changes nothing, and loads what holds', async () => {
    answers([409, problem('conflict', 'Conflict', { current: { status: 'in_progress', revision: 3 } })])
    const { set, undo, notice, reload, busy } = await one()
    await set('resolved')
    expect(notice.value).toEqual({ kind: 'conflict', wanted: 'resolved', status: 'in_progress' })
    expect(reload).toHaveBeenCalledOnce()
    expect(busy.value).toBe(false)
    await undo()
    expect(reload).toHaveBeenCalledOnce()
  })

  it('tells what went wrong', async () => {
    answers([403, problem('forbidden', 'Not allowed')])
    const { set, notice, dismiss } = await one()
    await set('resolved')
    expect(notice.value).toEqual({ kind: 'failed', sentence: 'Not allowed' })
    dismiss()
    expect(notice.value).toBeNull()
  })
})

describe('useBulkStatus', () => {
  async function many(...given: Anomaly[]) {
    const items = ref(given)
    const list = { items, set: (now: Anomaly[]) => (items.value = now) }
    return { items, ...(await inSetup(() => useBulkStatus(list))).result }
  }

  it('changes each for itself, shows what holds, and takes back what was changed', async () => {
    const requests = answers(
      [
        200,
        {
          results: [
            { id: 'a', outcome: 'changed', said: said('resolved', 1, 3) },
            { id: 'b', outcome: 'conflict', said: said('suppressed', 4) },
            { id: 'c', outcome: 'unknown', said: null },
          ],
        },
      ],
      [200, { results: [{ id: 'a', outcome: 'changed', said: said('new', 2) }] }],
    )
    const { items, change, undo, outcome } = await many(
      anomaly('a'),
      anomaly('b'),
      anomaly('c'),
      anomaly('d'),
    )
    await change(new Set(['a', 'b', 'c']), 'resolved')
    expect(items.value.map(({ status }) => status)).toEqual(['resolved', 'suppressed', 'new', 'new'])
    expect(items.value[0]).toMatchObject({ revision: 1, since: 2 })
    expect(told(outcome.value!)).toBe(
      '1 changed. 1 left alone: somebody else changed it first. 1 no longer there.',
    )
    await undo()
    expect(await requests[1]!.json()).toEqual({ changes: [{ id: 'a', status: 'new', revision: 1 }] })
    expect(items.value[0]).toMatchObject({ status: 'new', revision: 2, since: 0 })
  })

  it('asks for at most 500 at once, and not for what has the status', async () => {
    const requests = answers([200, { results: [] }], [200, { results: [] }])
    const all = Array.from({ length: 502 }, (_, n) => anomaly(`${n}`, n ? 'new' : 'resolved'))
    const { change } = await many(...all)
    await change(new Set(all.map(({ id }) => id)), 'resolved')
    const sizes = await Promise.all(requests.map(async (one) => (await one.json()).changes.length))
    expect(sizes).toEqual([500, 1])
  })

  it('tells what went wrong', async () => {
    answers(null)
    const { change, outcome } = await many(anomaly('a'))
    await change(new Set(['a']), 'resolved')
    expect(told(outcome.value!)).toBe('0 changed. The server cannot be reached.')
  })
})

describe('useSelection', () => {
  it('toggles one and all, and forgets what is gone', async () => {
    const ids = ref(['a', 'b'])
    const { selected, all, toggle, toggleAll, clear } = (await inSetup(() => useSelection(ids))).result
    toggle('a')
    toggle('b')
    expect(all.value).toBe(true)
    ids.value = ['b', 'c']
    await settled()
    expect([...selected.value]).toEqual(['b'])
    toggleAll()
    expect([...selected.value]).toEqual(['b', 'c'])
    toggleAll()
    expect(selected.value.size).toBe(0)
    toggle('b')
    clear()
    expect(selected.value.size).toBe(0)
  })
})
