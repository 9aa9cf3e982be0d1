/** The countries of the world as a map of ECharts: Natural Earth's, 1:110m, public domain. Loaded with the first map. */
import { EffectScatterChart, LinesChart, MapChart, ScatterChart } from 'echarts/charts'
import { GeoComponent } from 'echarts/components'
import { registerMap, use } from 'echarts/core'
import { feature } from 'topojson-client'
import type { GeometryCollection, Topology } from 'topojson-specification'
import atlas from 'world-atlas/countries-110m.json'

export const WORLD = 'world'
const ANTARCTICA = '010'
/** Kosovo has no number of ISO 3166. */
const NAMED: Record<string, string> = { Kosovo: 'XK' }

use([MapChart, ScatterChart, EffectScatterChart, LinesChart, GeoComponent])

/** A country's two letters, from its number; the browser knows them. "" for what has none. */
function codeOf(id: string | number | undefined, name: string): string {
  if (id === undefined) return NAMED[name] ?? ''
  const code = new Intl.Locale(`und-${id}`).region ?? ''
  return code.length === 2 ? code : ''
}

const topology = atlas as unknown as Topology<{ countries: GeometryCollection<{ name: string }> }>
const features = feature(topology, topology.objects.countries)
  .features.filter(({ id }) => id !== ANTARCTICA)
  .map((one) => ({
    ...one,
    properties: { name: codeOf(one.id, one.properties.name) || one.properties.name },
  }))

registerMap(WORLD, { type: 'FeatureCollection', features } as never)

/** The codes of the countries that are drawn; the smallest are not. */
export const DRAWN: ReadonlySet<string> = new Set(features.map(({ properties }) => properties.name))
