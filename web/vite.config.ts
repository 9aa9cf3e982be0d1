import vue from '@vitejs/plugin-vue'
import { defineConfig, type Plugin } from 'vite'
import vuetify from 'vite-plugin-vuetify'

/** What `gatewatch api` fills in for each request. */
const NONCE = 'GATEWATCH_NONCE'
const BASE = '/GATEWATCH_BASE/'
/** The API that `npm run dev` speaks to. */
const API = 'http://127.0.0.1:8420'

/**
 * What several pages need is one file, and what draws charts another: a page is a handful of files, not seventy, of which
 * each costs the server and the browser more than its bytes.
 */
const CHARTS = { name: 'charts', test: /node_modules[\\/](echarts|zrender)[\\/]/, priority: 1 }
const SHARED = { name: 'shared' }

/** In development nobody fills anything in: the app lies at the root. */
const filledIn: Plugin = {
  name: 'filled-in',
  apply: 'serve',
  transformIndexHtml: (html) => html.replace(BASE, '/'),
}

export default defineConfig({
  resolve: { alias: { '@': new URL('./src', import.meta.url).pathname } },
  base: './',
  html: { cspNonce: NONCE },
  plugins: [vue(), vuetify(), filledIn],
  build: {
    outDir: process.env.GATEWATCH_WEB_OUT ?? '../src/gatewatch/api/static',
    emptyOutDir: true,
    manifest: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1_000,
    rolldownOptions: { output: { codeSplitting: { minShareCount: 2, groups: [CHARTS, SHARED] } } },
  },
  server: {
    proxy: { '/v1': { target: API, headers: { origin: API } }, '/readyz': API },
  },
})
