import { mdiFormatListBulletedSquare, mdiHeartPulse, mdiViewDashboardOutline } from '@mdi/js'

/** The places of the app, in the order of the navigation. */
export const PLACES = [
  { to: '/', title: 'Overview', icon: mdiViewDashboardOutline },
  { to: '/events', title: 'Events', icon: mdiFormatListBulletedSquare },
  { to: '/health', title: 'Health', icon: mdiHeartPulse },
]
