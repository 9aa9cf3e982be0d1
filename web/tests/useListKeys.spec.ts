import { describe, expect, it, vi } from 'vitest'
import { ref } from 'vue'
import { useListKeys } from '@/composables/useListKeys'
import { inSetup } from './support'

function press(key: string, on: EventTarget = document.body): void {
  on.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }))
}

async function list(length = 3) {
  const doing = { open: vi.fn(), close: vi.fn() }
  const rows = ref(length)
  const { result, wrapper } = await inSetup(() => useListKeys(rows, doing))
  return { ...doing, rows, marked: result.marked, wrapper }
}

describe('useListKeys', () => {
  it('moves within the list, opens and closes', async () => {
    const { marked, open, close } = await list()
    press('k')
    for (const key of ['j', 'j', 'j', 'j', 'k']) press(key)
    expect(marked.value).toBe(1)
    press('Enter')
    expect(open).toHaveBeenCalledWith(1)
    press('Escape')
    expect(close).toHaveBeenCalledOnce()
  })

  it('leaves keys to fields, menus and links', async () => {
    const { marked, open } = await list()
    const field = document.body.appendChild(document.createElement('input'))
    press('j', field)
    expect(marked.value).toBe(-1)
    press('j')
    press('Enter', document.body.appendChild(document.createElement('a')))
    expect(open).not.toHaveBeenCalled()
  })

  it('follows a list that becomes shorter, and ends with its component', async () => {
    const { marked, rows, wrapper } = await list()
    for (const key of ['j', 'j', 'j']) press(key)
    rows.value = 2
    await Promise.resolve()
    expect(marked.value).toBe(1)
    wrapper.unmount()
    press('k')
    expect(marked.value).toBe(1)
  })
})
