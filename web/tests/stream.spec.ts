import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { SharedStream, type StreamMessage, type StreamState } from '@/api/stream'

/** The browser's connection, turned by hand. */
class Connection extends EventTarget {
  static readonly CLOSED = 2
  static all: Connection[] = []
  readyState = 0
  onopen: (() => void) | null = null
  onerror: (() => void) | null = null

  constructor(readonly url: string) {
    super()
    Connection.all.push(this)
  }

  opens(): void {
    this.readyState = 1
    this.onopen?.()
  }
  says(type: string, data: unknown, id: string): void {
    this.dispatchEvent(new MessageEvent(type, { data: JSON.stringify(data), lastEventId: id }))
  }
  fails(forGood: boolean): void {
    this.readyState = forGood ? Connection.CLOSED : 0
    this.onerror?.()
  }
  close(): void {
    this.readyState = Connection.CLOSED
  }
}

/** One lock of the browser's: granted in the order that it was asked for. */
function locks() {
  let tail = Promise.resolve()
  return {
    request(_: string, { signal }: { signal: AbortSignal }, work: () => Promise<void>) {
      const turn = tail.then(() => (signal.aborted ? undefined : work()))
      tail = turn.catch(() => undefined)
      return turn
    },
  }
}

/** A tab that listens, and what it has heard. */
function tab(refused = () => {}) {
  const stream = new SharedStream(refused)
  const heard: StreamMessage[] = []
  const states: StreamState[] = []
  const stop = stream.listen({
    onMessage: (one) =>
      heard.push(one.type === 'reset' ? { type: one.type } : { type: one.type, data: one.data }),
    onState: (one) => states.push(one),
  })
  return { heard, states, stop }
}

const open = () => Connection.all.filter((one) => one.readyState !== Connection.CLOSED)
const moment = () => new Promise((done) => setTimeout(done, 20))

beforeEach(() => {
  Connection.all = []
  vi.stubGlobal('EventSource', Connection)
  vi.stubGlobal('navigator', { locks: locks() })
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

describe('the shared stream', () => {
  it('has one connection for all tabs, and all of them hear', async () => {
    const [one, two] = [tab(), tab()]
    await moment()
    expect(open()).toHaveLength(1)
    open()[0]!.opens()
    open()[0]!.says('event', { event_id: 'a' }, 'i1')
    await moment()
    for (const { heard, states } of [one, two]) {
      expect(heard).toEqual([{ type: 'event', data: { event_id: 'a' } }])
      expect(states.at(-1)).toBe('live')
    }
    one.stop()
    two.stop()
  })

  it('goes on in another tab when the one that had it goes, from where that was', async () => {
    const [one, two] = [tab(), tab()]
    await moment()
    Connection.all[0]!.opens()
    Connection.all[0]!.says('anomaly', { id: 'a' }, 'i=7')
    await moment()
    one.stop()
    await moment()
    expect(open()[0]!.url).toContain('/v1/stream?after=i%3D7')
    open()[0]!.opens()
    expect(two.heard).toEqual([{ type: 'anomaly', data: { id: 'a' } }])
    two.stop()
  })

  it('begins anew in another tab where nothing is known of where it was', async () => {
    const [one, two] = [tab(), tab()]
    await moment()
    Connection.all[0]!.opens()
    await moment()
    one.stop()
    await moment()
    expect(Connection.all[0]!.readyState).toBe(Connection.CLOSED)
    expect(open()).toHaveLength(1)
    open()[0]!.opens()
    expect(two.heard).toEqual([{ type: 'reset' }])
    two.stop()
    expect(open()).toHaveLength(0)
  })

  it('is off when the server refuses, and is tried again after a while', async () => {
    vi.useFakeTimers()
    const refused = vi.fn()
    const one = tab(refused)
    await vi.advanceTimersByTimeAsync(1)
    open()[0]!.fails(true)
    expect(one.states.at(-1)).toBe('off')
    expect(refused).toHaveBeenCalledOnce()
    await vi.advanceTimersByTimeAsync(15_000)
    open()[0]!.opens()
    expect(one.states.at(-1)).toBe('live')
    expect(one.heard).toEqual([{ type: 'reset' }])
    one.stop()
  })

  it('leaves a connection that broke off to the browser, which makes it again', async () => {
    const one = tab()
    await moment()
    open()[0]!.opens()
    open()[0]!.fails(false)
    expect(one.states.at(-1)).toBe('connecting')
    open()[0]!.opens()
    expect(one.heard).toEqual([])
    one.stop()
  })

  it('needs no locks: without them each tab has its own', async () => {
    vi.stubGlobal('navigator', {})
    const [one, two] = [tab(), tab()]
    await moment()
    expect(open()).toHaveLength(2)
    one.stop()
    two.stop()
  })
})
