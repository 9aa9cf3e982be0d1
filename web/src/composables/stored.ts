import { ref, watch, type Ref } from 'vue'

/** A choice that the browser remembers; what it remembers and is none of ours is forgotten. */
export function stored<T extends string>(
  name: string,
  usual: T,
  known: (value: string) => value is T,
): Ref<T> {
  const key = `gatewatch.${name}`
  const found = localStorage.getItem(key)
  const value = ref(found !== null && known(found) ? found : usual) as Ref<T>
  watch(value, (now) => localStorage.setItem(key, now))
  return value
}
