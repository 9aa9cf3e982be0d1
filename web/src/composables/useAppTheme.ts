import { watch } from 'vue'
import { useTheme } from 'vuetify'
import { stored } from './stored'

export const THEMES = ['system', 'light', 'dark'] as const
type Theme = (typeof THEMES)[number]

const isTheme = (value: string): value is Theme => (THEMES as readonly string[]).includes(value)
const choice = stored<Theme>('theme', 'system', isTheme)

/** Light, dark, or as the system has it. */
export function useAppTheme() {
  const theme = useTheme()
  watch(choice, (name) => void theme.change(name), { immediate: true })
  return { choice, isDark: () => theme.current.value.dark }
}
