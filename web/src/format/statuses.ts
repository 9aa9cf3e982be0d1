import { mdiCheck, mdiCircleOutline, mdiMinusCircleOutline, mdiProgressClock } from '@mdi/js'
import type { Status } from '@/api/client'

/** What can be said of an anomaly, as what one does. */
export const STATUS_ACTIONS: readonly { status: Status; title: string; icon: string }[] = [
  { status: 'new', title: 'New', icon: mdiCircleOutline },
  { status: 'in_progress', title: 'In progress', icon: mdiProgressClock },
  { status: 'suppressed', title: 'Suppress', icon: mdiMinusCircleOutline },
  { status: 'resolved', title: 'Resolve', icon: mdiCheck },
]
