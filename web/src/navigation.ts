import {
  mdiAccountMultipleOutline,
  mdiAlertDecagramOutline,
  mdiFormatListBulletedSquare,
  mdiHeartPulse,
  mdiViewDashboardOutline,
} from '@mdi/js'

/** The places of the app, in the order of the navigation. */
export const PLACES = [
  { to: '/', title: 'Overview', icon: mdiViewDashboardOutline },
  { to: '/anomalies', title: 'Anomalies', icon: mdiAlertDecagramOutline },
  { to: '/events', title: 'Events', icon: mdiFormatListBulletedSquare },
  { to: '/users', title: 'Users', icon: mdiAccountMultipleOutline },
  { to: '/health', title: 'Health', icon: mdiHeartPulse },
]
