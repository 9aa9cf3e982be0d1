/** The generated client, and the one way to await it: `await ask(client.GET('/v1/events', { … }))`. */
import createClient from 'openapi-fetch'
import { ApiProblem, problemOf, unreachable } from './problems'
import type { components, paths } from './schema'

/** Where the app lies, without a slash at its end. */
export const base = new URL('.', document.baseURI).href.replace(/\/$/, '')

export const client = createClient<paths>({
  baseUrl: base,
  // Looked up at each call, so that tests can answer.
  fetch: (request) => globalThis.fetch(request),
})

type Schemas = components['schemas']
export type LoginEvent = Schemas['Event']
export type EventDetail = Schemas['EventDetail']
export type Anomaly = Schemas['Anomaly']
export type AnomalyDetail = Schemas['AnomalyDetail']
export type Status = Anomaly['status']
export type StatusSaid = Schemas['StatusView']
export type DeadLetter = Schemas['DeadLetter']
export type Series = Schemas['Series']
export type SystemHealth = Schemas['SystemHealth']
export type Reason = Schemas['Reason']
export type User = Schemas['User']
export type UserItem = Schemas['UserItem']
export type Usual = Schemas['Usual']
export type Entity = Schemas['Entity']
export type Session = Schemas['SessionView']
export type ApiKey = Schemas['Key']

/** A page of a list, as every list of the API answers. */
export interface Page<T> {
  items: T[]
  next: string | null
}

type Listener = (problem: ApiProblem) => void
const listeners = new Set<Listener>()

/** Be told of every problem (the session and the outage banner are); returns how to stop. */
export function onProblem(listener: Listener): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

interface Answer<T> {
  data?: T
  error?: unknown
  response: Response
}

/** What a request answers. Throws an `ApiProblem`; a request that was aborted throws the browser's `AbortError`. */
export async function ask<T>(request: Promise<Answer<T>>): Promise<T> {
  const answer = await request.catch((thrown: unknown) => {
    if (thrown instanceof DOMException && thrown.name === 'AbortError') throw thrown
    throw told(unreachable())
  })
  if (!answer.response.ok) throw told(problemOf(answer.response.status, answer.error))
  return answer.data as T
}

function told(problem: ApiProblem): ApiProblem {
  for (const listener of listeners) listener(problem)
  return problem
}
