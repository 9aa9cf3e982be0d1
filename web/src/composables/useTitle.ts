import { watchEffect } from 'vue'

/** What the tab says of a page about one thing. */
export function useTitle(title: () => string): void {
  watchEffect(() => (document.title = `${title()} · Gatewatch`))
}
