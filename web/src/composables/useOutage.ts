import { readonly, ref } from 'vue'
import { ask, client, onProblem } from '@/api/client'
import type { ApiProblem } from '@/api/problems'

const FIRST_WAIT = 1_000
const LONGEST_WAIT = 10_000

const away = ref(false)
const recoveries = ref(0)
let probing = false

/**
 * Whether the server or its database is away. After a problem that looks like it, `/readyz` is asked until it answers;
 * `recoveries` counts the ends of outages, so that what is shown can be loaded again.
 */
export function useOutage() {
  return { away: readonly(away), recoveries: readonly(recoveries) }
}

/** Begin to watch; called once by the app. */
export function watchOutages(): () => void {
  return onProblem((problem) => {
    if (problem.away) void probe()
  })
}

async function probe(): Promise<void> {
  if (probing) return
  probing = true
  try {
    for (let wait = FIRST_WAIT; !(await ready()); wait = Math.min(wait * 2, LONGEST_WAIT)) {
      away.value = true
      await new Promise((done) => setTimeout(done, wait))
    }
    // A single question that took too long is no outage: nothing is loaded again by itself.
    if (away.value) recoveries.value++
    away.value = false
  } finally {
    probing = false
  }
}

async function ready(): Promise<boolean> {
  try {
    await ask(client.GET('/readyz'))
    return true
  } catch (thrown) {
    return !(thrown as ApiProblem).away
  }
}
