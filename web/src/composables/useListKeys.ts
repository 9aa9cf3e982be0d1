import { onBeforeUnmount, onMounted, ref, watch, type Ref } from 'vue'

interface Doing {
  open: (index: number) => void
  close?: () => void
  /** Selects a row, or no longer. */
  select?: (index: number) => void
}

/** Keys for a list: j and k (or the arrows while a row is marked) move the mark, Enter opens, x selects, Escape closes. */
export function useListKeys(length: Ref<number>, { open, close, select }: Doing) {
  const marked = ref(-1)
  watch(length, (now) => {
    if (marked.value >= now) marked.value = now - 1
  })

  const move = (by: number) => {
    // What was clicked last must not take the Enter that is meant for the row.
    if (document.activeElement instanceof HTMLElement) document.activeElement.blur()
    marked.value = Math.max(0, Math.min(length.value - 1, marked.value + by))
  }
  const doing: Record<string, () => void> = {
    j: () => move(1),
    k: () => move(-1),
    Enter: () => marked.value >= 0 && open(marked.value),
    x: () => marked.value >= 0 && select?.(marked.value),
    Escape: () => close?.(),
  }

  function onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || !length.value || occupied(event)) return
    const act = doing[event.key]
    if (act) {
      event.preventDefault()
      act()
    }
  }

  onMounted(() => window.addEventListener('keydown', onKey))
  onBeforeUnmount(() => window.removeEventListener('keydown', onKey))
  return { marked }
}

/** Whether the keys belong to something else: a field, a button, a menu or dialog that is open. */
function occupied(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement | null
  if (!target?.closest) return false
  if (
    target.closest('input, textarea, select, [contenteditable], [role=menu], [role=listbox], [role=dialog]')
  )
    return true
  return event.key === 'Enter' && target.closest('a, button') !== null
}
