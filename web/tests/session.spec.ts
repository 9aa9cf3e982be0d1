import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { answers, problem, settled } from './support'

const ADA = { name: 'ada', tenant: 'acme', permissions: ['read'], expires_at: '2026-03-09T08:00:00Z' }

/** A tab of its own: the module's state is that of a page. */
async function tab() {
  vi.resetModules()
  const { useSession, watchSession } = await import('@/composables/useSession')
  const { ask, client } = await import('@/api/client')
  watchSession()
  return { ...useSession(), ask, client }
}

/** The channels of a test's tabs, so that they are closed with it. */
const channels: BroadcastChannel[] = []
class Channel extends BroadcastChannel {
  constructor(name: string) {
    super(name)
    channels.push(this)
  }
}

beforeEach(() => vi.stubGlobal('BroadcastChannel', Channel))
afterEach(() => {
  for (const channel of channels.splice(0)) channel.close()
  vi.unstubAllGlobals()
})

describe('the session', () => {
  it('is found once, and says what one may', async () => {
    const requests = answers([200, ADA])
    const { load, may, session } = await tab()
    await load()
    await load()
    expect(requests).toHaveLength(1)
    expect([session.value?.name, may('read'), may('admin')]).toEqual(['ada', true, false])
  })

  it('is over with the first request that is refused for it, and is then expired', async () => {
    answers([200, ADA], [401, problem('unauthenticated')])
    const { load, state, ask, client } = await tab()
    await load()
    await expect(ask(client.GET('/v1/keys'))).rejects.toThrow()
    expect(state.value).toEqual({ kind: 'signed-out', expired: true })
  })

  it('that never was is not expired; a wrong password ends none', async () => {
    answers([401, problem('unauthenticated')], [401, problem('wrong_credentials')])
    const { load, logIn, state } = await tab()
    await load()
    await expect(logIn('ada', 'no')).rejects.toThrow()
    expect(state.value).toEqual({ kind: 'signed-out', expired: false })
  })

  it('stays while the server is away', async () => {
    answers([200, ADA], [503, problem('unavailable')], null)
    const { load, state, ask, client } = await tab()
    await load()
    for (let tries = 0; tries < 2; tries++) await expect(ask(client.GET('/v1/keys'))).rejects.toThrow()
    expect(state.value.kind).toBe('signed-in')
  })

  it('ends in every tab when one logs out, and begins in every tab when one logs in', async () => {
    answers([200, ADA], [200, ADA], [204, null])
    const one = await tab()
    await one.load()
    const two = await tab()
    await two.load()
    await one.logOut()
    await settled()
    await settled()
    expect(two.state.value).toEqual({ kind: 'signed-out', expired: false })
    answers([200, ADA], [200, ADA])
    await one.logIn('ada', 'right')
    await vi.waitFor(() => expect(two.state.value.kind).toBe('signed-in'))
  })
})
