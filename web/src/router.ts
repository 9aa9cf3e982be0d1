import { createRouter, createWebHistory, type RouteLocationNormalized, type RouteRecordRaw } from 'vue-router'
import { useSession } from './composables/useSession'
import AppShell from './layout/AppShell.vue'

/** The pages inside the shell. `title` is what the tab says; pages about one thing set their own. */
const pages: RouteRecordRaw[] = [
  {
    path: '',
    name: 'overview',
    component: () => import('./pages/overview/OverviewPage.vue'),
    meta: { title: 'Overview', ranged: true },
  },
  {
    path: 'events',
    name: 'events',
    component: () => import('./pages/events/EventsPage.vue'),
    meta: { title: 'Events', ranged: true },
  },
  {
    path: 'anomalies',
    name: 'anomalies',
    component: () => import('./pages/anomalies/AnomaliesPage.vue'),
    meta: { title: 'Anomalies', ranged: true },
  },
  {
    path: 'anomalies/:id',
    name: 'anomaly',
    component: () => import('./pages/anomaly/AnomalyPage.vue'),
    meta: { title: 'Anomaly' },
  },
  {
    path: 'users',
    name: 'users',
    component: () => import('./pages/users/UsersPage.vue'),
    meta: { title: 'Users', ranged: true },
  },
  {
    path: 'users/:key',
    name: 'user',
    component: () => import('./pages/user/UserPage.vue'),
    meta: { title: 'User' },
  },
  {
    path: 'entities/:kind/:value',
    name: 'entity',
    component: () => import('./pages/entity/EntityPage.vue'),
    meta: { title: 'Source', ranged: true },
  },
  {
    path: 'health',
    name: 'health',
    component: () => import('./pages/health/HealthPage.vue'),
    meta: { title: 'Health', ranged: true },
  },
  {
    path: 'account',
    name: 'account',
    component: () => import('./pages/account/AccountPage.vue'),
    meta: { title: 'Account and API keys' },
  },
  {
    path: ':path(.*)*',
    name: 'missing',
    component: () => import('./pages/missing/MissingPage.vue'),
    meta: { title: 'Not found' },
  },
]

const login: RouteRecordRaw = {
  path: '/login',
  name: 'login',
  component: () => import('./pages/login/LoginPage.vue'),
  meta: { title: 'Log in', open: true },
}
const shell: RouteRecordRaw = { path: '/', component: AppShell, children: pages }

declare module 'vue-router' {
  interface RouteMeta {
    title?: string
    /** Whether it is there for everybody. */
    open?: boolean
    /** Whether the time range of the URL applies to it. */
    ranged?: boolean
  }
}

export const router = createRouter({
  history: createWebHistory(new URL('.', document.baseURI).pathname),
  routes: [login, shell],
  scrollBehavior: (to, from, saved) => saved ?? (to.path === from.path ? undefined : { top: 0 }),
})

router.beforeEach(async (to) => {
  if (to.meta.open) return true
  const code = fetchCode(to)
  const { kind } = await useSession().load()
  if (kind === 'signed-out') return { name: 'login', query: { return: to.fullPath } }
  // Unknown: the server is away. The page says so, and goes on when it is back.
  await code
  return true
})
/** Fetch what a page is made of while the server says who it is. A failure is told by the navigation, which asks again. */
function fetchCode({ matched }: RouteLocationNormalized): Promise<unknown> {
  const found = matched.map(({ components }) => components?.default)
  return Promise.allSettled(found.map((code) => typeof code === 'function' && (code as () => unknown)()))
}
router.afterEach((to) => {
  document.title = to.meta.title ? `${to.meta.title} · Gatewatch` : 'Gatewatch'
})
