import { useTheme } from 'vuetify'

/** The colours of the theme that is on, for what is drawn without CSS. */
export function useColours() {
  const theme = useTheme()
  return { colour: (name: string) => String(theme.current.value.colors[name]) }
}
