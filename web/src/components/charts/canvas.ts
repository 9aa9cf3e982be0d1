/** What draws charts. It is most of the weight of the app, so it is loaded after the page that holds one. */
import { BarChart } from 'echarts/charts'
import { BrushComponent, GridComponent, TooltipComponent } from 'echarts/components'
import { use } from 'echarts/core'
import { CanvasRenderer } from 'echarts/renderers'
import VChart from 'vue-echarts'

use([BarChart, BrushComponent, GridComponent, TooltipComponent, CanvasRenderer])

export type VChart = InstanceType<typeof VChart>
export default VChart
