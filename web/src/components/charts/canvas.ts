/** What draws charts. It is most of the weight of the app, so it is loaded after the page that holds one. */
import { BarChart, HeatmapChart, LineChart } from 'echarts/charts'
import { BrushComponent, GridComponent, TooltipComponent, VisualMapComponent } from 'echarts/components'
import { use } from 'echarts/core'
import { CanvasRenderer } from 'echarts/renderers'
import VChart from 'vue-echarts'

use([BarChart, HeatmapChart, LineChart])
use([BrushComponent, GridComponent, TooltipComponent, VisualMapComponent, CanvasRenderer])

export type VChart = InstanceType<typeof VChart>
export default VChart
