import { describe, expect, it, vi } from 'vitest'
import { h } from 'vue'
import { ApiProblem } from '@/api/problems'
import EntityLink from '@/components/EntityLink.vue'
import FactList from '@/components/FactList.vue'
import LoadMore from '@/components/LoadMore.vue'
import ReasonList from '@/components/ReasonList.vue'
import StateView from '@/components/StateView.vue'
import UserLink from '@/components/UserLink.vue'
import { shown } from './support'

const HOSTILE = '<img src=x onerror=alert(1)>'

describe('StateView', () => {
  const view = (state: object) =>
    shown(StateView, {
      props: { state } as never,
      slots: { default: ({ data }: { data: string }) => h('b', data), empty: () => h('i', 'none') },
    })

  it('draws each of the four states, and no other', async () => {
    expect((await view({ status: 'loading' })).wrapper.get('[role=status]').text()).toContain('Loading')
    expect((await view({ status: 'empty' })).wrapper.get('i').text()).toBe('none')
    expect((await view({ status: 'data', data: 'seven', refreshing: false })).wrapper.get('b').text()).toBe(
      'seven',
    )
  })

  it('tells a problem, and can try again', async () => {
    const { wrapper } = await view({
      status: 'error',
      problem: new ApiProblem('internal', 'Broken', 'Sorry'),
    })
    expect(wrapper.get('[role=alert]').text()).toContain('Broken')
    expect(wrapper.get('[role=alert]').text()).toContain('Sorry')
    await wrapper.get('button').trigger('click')
    expect(wrapper.emitted('retry')).toHaveLength(1)
  })
})

describe('LoadMore', () => {
  it('is there while there is more, and says why it did not come', async () => {
    expect(
      (await shown(LoadMore, { props: { more: { status: 'none' } } })).wrapper.find('button').exists(),
    ).toBe(false)
    const more = { status: 'error', problem: new ApiProblem('internal', 'Broken') } as const
    const { wrapper } = await shown(LoadMore, { props: { more } })
    expect(wrapper.get('[role=alert]').text()).toBe('Broken')
    await wrapper.get('button').trigger('click')
    expect(wrapper.emitted('load')).toHaveLength(1)
  })
})

describe('links', () => {
  it('show names as they are, lead to their pages, and take the range along', async () => {
    const { wrapper } = await shown(UserLink, { props: { user: HOSTILE } }, '/?range=7d')
    expect(wrapper.text()).toBe(HOSTILE)
    expect(wrapper.find('img').exists()).toBe(false)
    expect(wrapper.attributes('href')).toBe(`/users/${encodeURIComponent(HOSTILE)}?range=7d`)
  })

  it.each([
    ['asn', 64_512, 'AS64512', '/entities/asn/64512'],
    ['country', 'NO', 'Norway', '/entities/country/NO'],
    ['ip', '192.0.2.1', '192.0.2.1', '/entities/ip/192.0.2.1'],
  ])('to %s %s say %s', async (kind, value, text, href) => {
    const { wrapper } = await shown(EntityLink, { props: { kind, value } as never })
    expect(wrapper.text()).toContain(text)
    expect(wrapper.attributes('href')).toBe(href)
  })

  it('of nothing are a dash', async () => {
    expect((await shown(EntityLink, { props: { kind: 'ip', value: '' } })).wrapper.text()).toBe('–')
  })

  it('are no click on the row that they stand in', async () => {
    const clicked = vi.fn()
    document.body.addEventListener('click', clicked)
    const { wrapper } = await shown(UserLink, { props: { user: 'alice' } })
    await wrapper.trigger('click')
    document.body.removeEventListener('click', clicked)
    expect(clicked).not.toHaveBeenCalled()
  })
})

describe('ReasonList', () => {
  it('gives each reason with its points, or says that there are none', async () => {
    const reason = {
      detector: 'd',
      code: 'new_country',
      points: 41,
      strength: 1,
      kind: 'rule',
      attack: ['T1078'],
    }
    const reasons = [{ ...reason, sentence: HOSTILE, evidence: {} }]
    const { wrapper } = await shown(ReasonList, { props: { reasons } })
    for (const text of ['New country', '41 points', HOSTILE, 'T1078']) expect(wrapper.text()).toContain(text)
    expect((await shown(ReasonList, { props: { reasons: [] } })).wrapper.text()).toContain('Nothing')
  })
})

describe('FactList', () => {
  it('flattens what is nested, and leaves out what is nothing', async () => {
    const facts = {
      speed_kmh: 29_496,
      from: { city: 'Oslo', note: '' },
      seen: false,
      users: ['a', 'b'],
      none: null,
    }
    const { wrapper } = await shown(FactList, { props: { facts } })
    const names = wrapper.findAll('dt').map((one) => one.text())
    expect(names).toEqual(['Speed kmh', 'From: city', 'Seen', 'Users'])
    expect(wrapper.findAll('dd').map((one) => one.text())).toEqual(['29,496', 'Oslo', 'no', 'a, b'])
  })
})
