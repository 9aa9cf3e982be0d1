/** What can go wrong with a request: the codes of the API's problems, and `unreachable` where no answer came. */
export class ApiProblem extends Error {
  constructor(
    readonly code: string,
    readonly title: string,
    readonly detail = '',
    readonly status = 0,
    readonly errors: { where: string; detail: string }[] = [],
    readonly body: Record<string, unknown> = {},
  ) {
    super(title)
  }

  /** The sentence a person reads: the detail where there is one, else the title. */
  get sentence(): string {
    const first = this.errors[0]
    return first ? `${this.title}: ${first.detail}` : this.detail || this.title
  }

  /** Whether the server, or the database behind it, seems to be away. */
  get away(): boolean {
    return this.code === 'unreachable' || this.code === 'unavailable'
  }
}

const PREFIX = 'urn:gatewatch:problem:'
/** What proxies answer while what is behind them is away. */
const GATEWAYS = new Set([502, 503, 504])

/** A problem of an answer's body, whatever that body is: a proxy in between answers with pages of its own. */
export function problemOf(status: number, body: unknown): ApiProblem {
  const found: Record<string, unknown> = isRecord(body) ? body : {}
  const type = String(found.type ?? '')
  if (!type.startsWith(PREFIX)) {
    return GATEWAYS.has(status) ? unreachable() : new ApiProblem('unknown', `The server answered ${status}`)
  }
  return new ApiProblem(
    type.slice(PREFIX.length),
    String(found.title ?? ''),
    String(found.detail ?? ''),
    status,
    Array.isArray(found.errors) ? (found.errors as { where: string; detail: string }[]) : [],
    found,
  )
}

/** The problem of a request that got no answer at all. */
export const unreachable = (): ApiProblem => new ApiProblem('unreachable', 'The server cannot be reached')

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

/** A thrown value as a problem; what is none is a mistake of ours and goes on. */
export function asProblem(thrown: unknown): ApiProblem {
  if (thrown instanceof ApiProblem) return thrown
  throw thrown
}
