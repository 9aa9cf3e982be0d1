import { mdiFormatListBulletedSquare } from '@mdi/js'

/** The places of the app, in the order of the navigation. */
export const PLACES = [{ to: '/events', title: 'Events', icon: mdiFormatListBulletedSquare }]
