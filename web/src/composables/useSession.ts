import { computed, readonly, ref } from 'vue'
import { ask, client, onProblem, type Session } from '@/api/client'
import { asProblem } from '@/api/problems'

type State =
  { kind: 'unknown' } | { kind: 'signed-in'; session: Session } | { kind: 'signed-out'; expired: boolean }

const state = ref<State>({ kind: 'unknown' })
const tabs = new BroadcastChannel('gatewatch-session')

/** Who uses the app. A session that ends, here or in another tab, is noticed by all tabs. */
export function useSession() {
  const session = computed(() => (state.value.kind === 'signed-in' ? state.value.session : null))
  const may = (permission: string) => session.value?.permissions.includes(permission) ?? false
  return { state: readonly(state), session, may, load, logIn, logOut, logOutEverywhere, forget }
}

/** Begin to watch; called once by the app. */
export function watchSession(): void {
  onProblem((problem) => {
    if (problem.code === 'unauthenticated') end(true)
  })
  tabs.onmessage = ({ data }) => {
    if (data === 'ended') end(false)
    if (data === 'begun') void load(true)
  }
  // Another tab may have logged out while this one slept.
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible' && state.value.kind === 'signed-in') void load(true)
  })
}

function end(expired: boolean): void {
  if (state.value.kind !== 'signed-out') {
    state.value = { kind: 'signed-out', expired: expired && state.value.kind === 'signed-in' }
  }
}

/** Find out who it is, once. While the server is away that stays unknown: nobody is logged out for it. */
async function load(again = false): Promise<State> {
  if (state.value.kind === 'unknown' || again) {
    try {
      state.value = { kind: 'signed-in', session: await ask(client.GET('/v1/session')) }
    } catch (thrown) {
      asProblem(thrown)
    }
  }
  return state.value
}

async function logIn(name: string, password: string): Promise<void> {
  state.value = {
    kind: 'signed-in',
    session: await ask(client.POST('/v1/session', { body: { name, password } })),
  }
  tabs.postMessage('begun')
}

async function logOut(): Promise<void> {
  await ask(client.DELETE('/v1/session'))
  forget()
}

async function logOutEverywhere(): Promise<void> {
  await ask(client.DELETE('/v1/sessions'))
  forget()
}

/** The session is over by our own doing: tell the other tabs. */
function forget(): void {
  end(false)
  tabs.postMessage('ended')
}
