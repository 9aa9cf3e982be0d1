import '@fontsource-variable/inter/wght.css'
import { createApp } from 'vue'
import App from './App.vue'
import { watchOutages } from './composables/useOutage'
import { watchSession } from './composables/useSession'
import { router } from './router'
import { vuetify } from './vuetify'
import './styles/main.css'

watchSession()
watchOutages()
createApp(App).use(router).use(vuetify).mount('#app')
