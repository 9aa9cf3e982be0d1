/** The countries of the world as a map of ECharts: Natural Earth's, 1:110m, public domain. Loaded with the first map. */
import { LinesChart, ScatterChart } from 'echarts/charts'
import { GeoComponent } from 'echarts/components'
import { registerMap, use } from 'echarts/core'
import type { Feature, MultiPolygon, Polygon, Position } from 'geojson'
import { feature } from 'topojson-client'
import type { GeometryCollection, Topology } from 'topojson-specification'
import atlas from 'world-atlas/countries-110m.json'

export const WORLD = 'world'
const ANTARCTICA = '010'
/** Kosovo has no number of ISO 3166. */
const NAMED: Record<string, string> = { Kosovo: 'XK' }

use([ScatterChart, LinesChart, GeoComponent])

/** A country's two letters, from its number; the browser knows them. "" for what has none. */
function codeOf(id: string | number | undefined, name: string): string {
  if (id === undefined) return NAMED[name] ?? ''
  const code = new Intl.Locale(`und-${id}`).region ?? ''
  return code.length === 2 ? code : ''
}

/** A ring that goes over the 180th meridian goes on beyond it, and not back around the world. */
function unwound(ring: Position[]): Position[] {
  const over = ring.some(([lon], index) => index && Math.abs(lon! - ring[index - 1]![0]!) > 180)
  return over ? ring.map(([lon, lat]) => [lon! < 0 ? lon! + 360 : lon!, lat!]) : ring
}

function drawable({ geometry, ...rest }: Feature<Polygon | MultiPolygon, { name: string }>) {
  const polygons = geometry.type === 'Polygon' ? [geometry.coordinates] : geometry.coordinates
  return {
    ...rest,
    geometry: { type: 'MultiPolygon', coordinates: polygons.map((rings) => rings.map(unwound)) },
    properties: { name: codeOf(rest.id, rest.properties.name) || rest.properties.name },
  }
}

const topology = atlas as unknown as Topology<{ countries: GeometryCollection<{ name: string }> }>
const countries = feature(topology, topology.objects.countries).features as Parameters<typeof drawable>[0][]
const features = countries.filter(({ id }) => id !== ANTARCTICA).map(drawable)

registerMap(WORLD, { type: 'FeatureCollection', features } as never)

/** The codes of the countries that are drawn; the smallest are not. */
export const DRAWN: ReadonlySet<string> = new Set(features.map(({ properties }) => properties.name))
