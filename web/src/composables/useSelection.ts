import { computed, ref, watch, type Ref } from 'vue'

/** Which rows of a list are selected, by id; a row that is gone is not. */
export function useSelection(ids: Ref<string[]>) {
  const selected = ref<ReadonlySet<string>>(new Set())
  watch(ids, (there) => {
    const known = new Set(there)
    selected.value = new Set([...selected.value].filter((id) => known.has(id)))
  })

  const all = computed(() => ids.value.length > 0 && ids.value.every((id) => selected.value.has(id)))
  const clear = () => (selected.value = new Set())
  function toggle(id: string): void {
    const next = new Set(selected.value)
    if (!next.delete(id)) next.add(id)
    selected.value = next
  }
  const toggleAll = () => (selected.value = new Set(all.value ? [] : ids.value))

  return { selected, all, toggle, toggleAll, clear }
}
