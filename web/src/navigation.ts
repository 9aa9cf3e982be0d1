import { mdiAccountMultipleOutline, mdiAlertDecagramOutline, mdiFormatListBulletedSquare } from '@mdi/js'

/** The places of the app, in the order of the navigation. */
export const PLACES = [
  { to: '/anomalies', title: 'Anomalies', icon: mdiAlertDecagramOutline },
  { to: '/events', title: 'Events', icon: mdiFormatListBulletedSquare },
  { to: '/users', title: 'Users', icon: mdiAccountMultipleOutline },
]
