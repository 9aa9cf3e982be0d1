import { mdiAlertOutline, mdiCheckCircleOutline, mdiMinusCircleOutline } from '@mdi/js'

/** What can be said of who reads a partition. */
export const LOOKS = {
  alive: { icon: mdiCheckCircleOutline, colour: 'success', text: 'Read' },
  expired: { icon: mdiAlertOutline, colour: 'warning', text: 'Its detector is gone' },
  none: { icon: mdiMinusCircleOutline, colour: 'error', text: 'Nobody reads it' },
} as const
