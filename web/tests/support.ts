import { mount, type ComponentMountingOptions } from '@vue/test-utils'
import { defineComponent, h, type Component } from 'vue'
import { createMemoryHistory, createRouter, type Router } from 'vue-router'
import { createVuetify } from 'vuetify'
import * as components from 'vuetify/components'
import { vi } from 'vitest'

const Nothing = defineComponent({ render: () => null })

/** A router that knows every path. */
export function routed(at = '/'): Router {
  const router = createRouter({
    history: createMemoryHistory(),
    routes: [
      { path: '/events', name: 'events', component: Nothing },
      { path: '/:path(.*)*', component: Nothing },
    ],
  })
  void router.push(at)
  return router
}

/** A component with what the app gives all of them. */
export async function shown(component: unknown, options: ComponentMountingOptions<Component> = {}, at = '/') {
  const router = routed(at)
  await router.isReady()
  const plugins = [createVuetify({ components }), router]
  return {
    router,
    wrapper: mount(component as Component, { attachTo: document.body, ...options, global: { plugins } }),
  }
}

/** A composable at work, inside a component that can be unmounted. */
export async function inSetup<T>(use: () => T, at = '/') {
  let result!: T
  const Host = defineComponent({
    setup() {
      result = use()
      return () => h('div')
    },
  })
  return { ...(await shown(Host, {}, at)), result }
}

/** Answers of the server, in turn: a status and a body, or nothing where no answer comes. */
export function answers(...given: ([number, unknown] | null)[]) {
  const requests: Request[] = []
  vi.stubGlobal('fetch', async (request: Request) => {
    requests.push(request)
    const [status, body] = given.shift() ?? fail()
    return new Response(body === null ? null : JSON.stringify(body), {
      status,
      headers: { 'Content-Type': 'application/json' },
    })
  })
  return requests
}

function fail(): never {
  throw new TypeError('Failed to fetch')
}

/** A problem as the API answers it. */
export const problem = (code: string, title = code, more = {}) => ({
  type: `urn:gatewatch:problem:${code}`,
  title,
  ...more,
})

/** Wait until everything that is under way has come to something. */
export const settled = () => new Promise((done) => setTimeout(done))
