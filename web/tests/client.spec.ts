import { afterEach, describe, expect, it, vi } from 'vitest'
import { ask, client, onProblem } from '@/api/client'
import { ApiProblem, asProblem, problemOf } from '@/api/problems'
import { answers, problem } from './support'

afterEach(() => vi.unstubAllGlobals())

async function failure(): Promise<ApiProblem> {
  return asProblem(await ask(client.GET('/v1/session')).catch((thrown: unknown) => thrown))
}

describe('the client', () => {
  it('gives what was answered', async () => {
    answers([200, { name: 'ada' }])
    expect(await ask(client.GET('/v1/session'))).toEqual({ name: 'ada' })
  })

  it('escapes what stands in a path, and repeats what may come several times', async () => {
    const requests = answers([200, {}], [200, {}])
    await ask(client.GET('/v1/users/{user}', { params: { path: { user: 'a/b?c' } } }))
    await ask(client.GET('/v1/anomalies', { params: { query: { severity: ['high', 'low'] } } }))
    expect(requests[0]!.url).toMatch(/\/v1\/users\/a%2Fb%3Fc$/)
    expect(requests[1]!.url).toMatch(/severity=high&severity=low$/)
  })

  it('throws a problem of the API, and tells whoever listens', async () => {
    answers([
      422,
      problem('invalid', 'A value is wrong', { errors: [{ where: 'query.ip', detail: 'too long' }] }),
    ])
    const heard: string[] = []
    const stop = onProblem(({ code }) => heard.push(code))
    const found = await failure()
    stop()
    expect(found.sentence).toBe('A value is wrong: too long')
    expect(heard).toEqual(['invalid'])
  })

  it.each([
    ['no answer', null],
    ['a page of a proxy', [502, 'Bad gateway'] as [number, unknown]],
  ])('takes %s for a server that is away', async (_, answer) => {
    answers(answer)
    expect((await failure()).away).toBe(true)
  })

  it('lets an abort be one', async () => {
    const controller = new AbortController()
    controller.abort()
    vi.stubGlobal('fetch', (request: Request) => Promise.reject(request.signal.reason))
    await expect(ask(client.GET('/v1/session', { signal: controller.signal }))).rejects.toThrow(DOMException)
  })
})

describe('a problem', () => {
  it('is away only where waiting helps', () => {
    expect(problemOf(503, problem('unavailable')).away).toBe(true)
    expect(problemOf(503, problem('overloaded')).away).toBe(false)
    expect(problemOf(500, problem('internal')).away).toBe(false)
  })

  it('of a body that is none has its status at least', () => {
    expect(problemOf(418, null).sentence).toBe('The server answered 418')
  })
})
