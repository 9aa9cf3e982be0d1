import { describe, expect, it } from 'vitest'
import { ref } from 'vue'
import { ApiProblem } from '@/api/problems'
import { useList } from '@/composables/useList'
import { inSetup, settled } from './support'

/** A list of three pages; the page after `broken` fails until it is mended. */
function three() {
  const asked: [string, string | undefined][] = []
  const question = ref('a')
  const broken = ref('')
  const use = () =>
    useList<number, string>({
      params: () => question.value,
      watch: [question],
      load: async (params, cursor) => {
        asked.push([params, cursor])
        if (cursor && cursor === broken.value) throw new ApiProblem('internal', 'Broken')
        const page = Number(cursor ?? 1)
        return { items: [page * 10, page * 10 + 1], next: page < 3 ? String(page + 1) : null }
      },
    })
  return { asked, question, broken, use }
}

describe('useList', () => {
  it('adds page after page, and ends', async () => {
    const { result } = await inSetup(three().use)
    await settled()
    expect(result.more.value.status).toBe('ready')
    await result.loadMore()
    await result.loadMore()
    expect(result.items.value).toEqual([10, 11, 20, 21, 30, 31])
    expect(result.more.value.status).toBe('none')
    await result.loadMore()
    expect(result.items.value).toHaveLength(6)
  })

  it('asks for later pages with the parameters of the first', async () => {
    const { asked, question, use } = three()
    const { result } = await inSetup(use)
    await settled()
    question.value = 'b'
    await settled()
    await result.loadMore()
    expect(asked).toEqual([
      ['a', undefined],
      ['b', undefined],
      ['b', '2'],
    ])
  })

  it('keeps its rows when a later page fails, and goes on from there', async () => {
    const { broken, use } = three()
    const { result } = await inSetup(use)
    await settled()
    broken.value = '2'
    await result.loadMore()
    expect(result.more.value).toMatchObject({ status: 'error', problem: { title: 'Broken' } })
    expect(result.items.value).toEqual([10, 11])
    broken.value = ''
    await result.loadMore()
    expect(result.items.value).toEqual([10, 11, 20, 21])
  })

  it('takes rows from elsewhere', async () => {
    const { result } = await inSetup(three().use)
    await settled()
    result.set([99, ...result.items.value])
    expect(result.items.value).toEqual([99, 10, 11])
    expect(result.more.value.status).toBe('ready')
    result.set([])
    expect(result.state.value.status).toBe('empty')
  })
})
