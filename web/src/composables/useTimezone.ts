import { computed } from 'vue'
import { dateTime, isZone, relative, type Shape } from '@/format/time'
import { stored } from './stored'

/** `local` follows the browser; everything else is a name of the IANA database. */
const choice = stored('zone', 'local', (value): value is string => value === 'local' || isZone(value))

/** Asked once: to find it out takes longer than to show a moment. */
const local = Intl.DateTimeFormat().resolvedOptions().timeZone

/** The time zone in which moments are shown, and how to show them. */
export function useTimezone() {
  const zone = computed(() => (choice.value === 'local' ? local : choice.value))
  const show = (moment: string | number | Date, shape: Shape = 'second') =>
    dateTime(moment, zone.value, shape)
  return { choice, zone, local, show, relative }
}
