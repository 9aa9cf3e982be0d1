import { nextTick, watch, type ComponentPublicInstance } from 'vue'

/** Keeps the rows of a list by their place, and brings the marked one into view. */
export function useIntoView(marked: () => number) {
  const rows = new Map<number, HTMLElement>()

  function keep(row: Element | ComponentPublicInstance | null, index: number): void {
    if (row instanceof HTMLElement) rows.set(index, row)
    else rows.delete(index)
  }

  watch(marked, (index) => void nextTick(() => rows.get(index)?.scrollIntoView({ block: 'nearest' })))
  return { keep }
}
