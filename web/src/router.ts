import { createRouter, createWebHistory, type RouteRecordRaw } from 'vue-router'
import { useSession } from './composables/useSession'

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
const shell: RouteRecordRaw = { path: '/', component: () => import('./layout/AppShell.vue'), children: pages }

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
  const { kind } = await useSession().load()
  // Unknown: the server is away. The page says so, and goes on when it is back.
  return kind === 'signed-out' ? { name: 'login', query: { return: to.fullPath } } : true
})
router.afterEach((to) => {
  document.title = to.meta.title ? `${to.meta.title} · Gatewatch` : 'Gatewatch'
})
