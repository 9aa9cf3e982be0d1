import { afterEach } from 'vitest'

// The browser asks Vuetify for these; happy-dom has none of them.
class Observer {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
}
globalThis.ResizeObserver ??= Observer as unknown as typeof ResizeObserver
globalThis.IntersectionObserver ??= Observer as unknown as typeof IntersectionObserver

afterEach(() => {
  localStorage.clear()
  document.body.replaceChildren()
})
