import { computed } from 'vue'
import { useRoute, useRouter, type LocationQueryRaw } from 'vue-router'

type Value = string | string[]

/**
 * Filters that live in the URL, so that a view can be linked to, and the browser's own buttons work. The defaults say
 * which there are, and whether one takes a text or several; a default is not written down.
 */
export function useFilters<F extends Record<string, Value>>(defaults: F) {
  const route = useRoute()
  const router = useRouter()
  const names = Object.keys(defaults) as (keyof F & string)[]

  const filters = computed(
    () => Object.fromEntries(names.map((name) => [name, read(route.query[name], defaults[name]!)])) as F,
  )
  const active = computed(() =>
    names.filter((name) => String(filters.value[name]) !== String(defaults[name])),
  )

  /** Change some filters; the others, and what else is in the URL, stay. */
  async function set(changes: Partial<F>): Promise<void> {
    const query: LocationQueryRaw = { ...route.query }
    for (const [name, value] of Object.entries(changes) as [string, Value][]) {
      if (String(value) === String(defaults[name])) delete query[name]
      else query[name] = value
    }
    await router.push({ query })
  }

  return { filters, active, set, clear: () => set(defaults) }
}

function read(found: unknown, otherwise: Value): Value {
  const all = (Array.isArray(found) ? found : [found]).filter((one): one is string => typeof one === 'string')
  if (Array.isArray(otherwise)) return all.length ? all : otherwise
  return all[0] ?? otherwise
}
