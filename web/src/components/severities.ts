/** The colour of a severity or level, by the theme's name for it. */
const COLOURS: Record<string, string> = {
  low: 'info',
  medium: 'warning',
  high: 'error',
  critical: 'critical',
}

export const severityColour = (level: string): string | undefined => COLOURS[level]
