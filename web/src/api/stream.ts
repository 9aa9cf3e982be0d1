/**
 * The stream of `/v1/stream`, one connection for all tabs: the tab that holds the lock has the connection and passes
 * on what comes; when it goes, another takes its place and goes on where it was. What may have been missed all the same
 * is told as `reset`.
 */
import { base } from './client'

export type StreamState = 'connecting' | 'live' | 'off'
export type StreamMessage = { type: 'event' | 'anomaly'; data: unknown } | { type: 'reset' }

type Told = (StreamMessage & { id: string }) | { type: 'state'; state: StreamState } | { type: 'asked' }

const NAME = 'gatewatch-stream'
const TYPES = ['event', 'anomaly', 'reset'] as const
/** After a refusal (too many streams, no session) the browser does not try again by itself; we do, rarely. */
const AGAIN = 15_000

interface Listener {
  onMessage: (message: StreamMessage) => void
  onState: (state: StreamState) => void
}

/** What one tab has of the stream. It is open while somebody listens. */
export class SharedStream {
  private readonly listeners = new Set<Listener>()
  private readonly refused: () => void
  private tabs: BroadcastChannel | null = null
  private release: (() => void) | null = null
  private stop = new AbortController()
  private leading = false
  private state: StreamState = 'connecting'
  /** The id of the last message that was heard: what comes after it is asked for. */
  private last = ''

  /** `refused` is called when the server does not let the stream begin. */
  constructor(refused: () => void) {
    this.refused = refused
  }

  /** Listen; returns how to stop. */
  listen(listener: Listener): () => void {
    this.listeners.add(listener)
    listener.onState(this.state)
    if (this.listeners.size === 1) this.open()
    return () => {
      this.listeners.delete(listener)
      if (!this.listeners.size) this.close()
    }
  }

  private open(): void {
    this.stop = new AbortController()
    this.tabs = new BroadcastChannel(NAME)
    this.tabs.onmessage = ({ data }: MessageEvent<Told>) => this.heard(data)
    this.tabs.postMessage({ type: 'asked' })
    const lead = () => new Promise<void>((done) => this.lead(done))
    // Only secure contexts have locks; without them each tab has a connection of its own.
    if (!navigator.locks) void lead()
    else navigator.locks.request(NAME, { signal: this.stop.signal }, lead).catch(() => undefined)
  }

  private close(): void {
    this.stop.abort()
    this.release?.()
    this.tabs?.close()
    this.tabs = this.release = null
    this.leading = false
    this.state = 'connecting'
    this.last = ''
  }

  private lead(done: () => void): void {
    if (this.stop.signal.aborted) return done()
    this.leading = true
    let source: EventSource | null = null
    let timer: ReturnType<typeof setTimeout> | undefined
    // Whoever led before may have been told something; where nothing is known of it, nothing can be asked for.
    let late = this.state === 'live'
    const connect = () => {
      const after = this.last && `?after=${encodeURIComponent(this.last)}`
      late &&= !after
      source = new EventSource(`${base}/v1/stream${after}`)
      source.onopen = () => {
        this.tell({ type: 'state', state: 'live' })
        if (late) this.tell({ type: 'reset', id: '' })
        late = false
      }
      source.onerror = () => {
        const refused = source?.readyState === EventSource.CLOSED
        this.tell({ type: 'state', state: refused ? 'off' : 'connecting' })
        if (!refused) return
        this.refused()
        late = true
        timer = setTimeout(connect, AGAIN)
      }
      for (const type of TYPES) source.addEventListener(type, (event) => this.pass(type, event))
    }
    this.release = () => {
      clearTimeout(timer)
      source?.close()
      done()
    }
    connect()
  }

  private pass(type: (typeof TYPES)[number], { data, lastEventId: id }: MessageEvent<string>): void {
    this.tell(type === 'reset' ? { type, id } : { type, data: JSON.parse(data) as unknown, id })
  }

  private tell(told: Told): void {
    this.tabs?.postMessage(told)
    this.heard(told)
  }

  private heard(told: Told): void {
    if (told.type === 'asked') {
      if (this.leading) this.tabs?.postMessage({ type: 'state', state: this.state })
      return
    }
    if (told.type === 'state') this.state = told.state
    else this.last = told.id
    for (const listener of this.listeners) {
      if (told.type === 'state') listener.onState(told.state)
      else listener.onMessage(told)
    }
  }
}
