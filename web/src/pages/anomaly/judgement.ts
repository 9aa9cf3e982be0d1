/** How an anomaly's score came about: the judgement of its strongest login, at the time or afterwards. */
import type { Anomaly, EventDetail, Reason } from '@/api/client'

/** Reasons whose points add up to the anomaly's score. */
export function reasonsOf(anomaly: Anomaly, detail: EventDetail | null): Reason[] {
  const judged = detail
    ? [{ score: detail.event.score as number | null, reasons: detail.reasons }, ...detail.later]
    : []
  const found = judged.filter(
    ({ score, reasons }) =>
      score === anomaly.score && reasons.some(({ detector }) => detector === anomaly.detector),
  )
  // Of several that gave the same score, the one whose evidence the anomaly has.
  const same = found.find(({ reasons }) => reasons.some((reason) => alike(reason.evidence, anomaly.evidence)))
  return (same ?? found[0])?.reasons ?? [alone(anomaly)]
}

const alike = (one: object, other: object) => JSON.stringify(one) === JSON.stringify(other)

/** A source is judged over all its failures, by one detector: it is the whole score. */
function alone({ detector, score, attack, sentence, evidence }: Anomaly): Reason {
  return {
    detector,
    code: detector,
    points: score,
    strength: score / 100,
    kind: 'rule',
    attack,
    sentence,
    evidence,
  }
}
