import 'vuetify/styles'
import { createVuetify } from 'vuetify'
import { aliases, mdi } from 'vuetify/iconsets/mdi-svg'

/** Severities, outcomes and statuses are told by these, and always by a word or an icon as well. */
const light = {
  background: '#f5f6f8',
  surface: '#ffffff',
  'surface-light': '#eef0f4',
  'surface-variant': '#414a58',
  'on-surface': '#1b2230',
  'on-background': '#1b2230',
  primary: '#2a55c9',
  secondary: '#56607a',
  success: '#1b7a4b',
  info: '#1f6a9c',
  warning: '#93600a',
  error: '#b3261e',
  critical: '#99154b',
}
const dark = {
  background: '#0e1218',
  surface: '#151b24',
  'surface-light': '#1f2733',
  'surface-variant': '#b6bfce',
  'on-surface': '#e3e8f0',
  'on-background': '#e3e8f0',
  primary: '#8fb0ff',
  secondary: '#a7b2c8',
  success: '#62cf98',
  info: '#74bfef',
  warning: '#eab354',
  error: '#ff8f85',
  critical: '#ff84b3',
}

/** Labels and captions keep the contrast that small text needs. */
const variables = { 'medium-emphasis-opacity': 0.74, 'border-opacity': 0.14 }

const nonce = document.querySelector<HTMLMetaElement>('meta[property=csp-nonce]')?.nonce

export const vuetify = createVuetify({
  icons: { defaultSet: 'mdi', aliases, sets: { mdi } },
  display: { mobileBreakpoint: 'md' },
  theme: {
    cspNonce: nonce,
    defaultTheme: 'system',
    themes: {
      light: { dark: false, colors: light, variables },
      dark: { dark: true, colors: dark, variables },
    },
  },
  defaults: {
    VBtn: { variant: 'text', density: 'comfortable', rounded: 'md' },
    VTextField: { variant: 'outlined', density: 'compact', hideDetails: 'auto', color: 'primary' },
    VSelect: { variant: 'outlined', density: 'compact', hideDetails: 'auto', color: 'primary' },
    VAutocomplete: { variant: 'outlined', density: 'compact', hideDetails: 'auto', color: 'primary' },
    VCheckbox: { density: 'compact', hideDetails: true, color: 'primary' },
    VList: { density: 'compact' },
    VChip: { size: 'small', density: 'comfortable', variant: 'tonal' },
    VTooltip: { openDelay: 300 },
  },
})
