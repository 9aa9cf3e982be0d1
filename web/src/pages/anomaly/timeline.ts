/** The logins around an anomaly: those of its subject, from an hour before to an hour after. */
import type { Anomaly } from '@/api/client'
import type { Query } from '@/pages/events/query'
import { momentOf } from './facts'

const AROUND = 3_600_000
/** Of an attack many are one line. */
const MANY = 200

/** The question for them; null where the subject is nothing that logins can be asked by. */
export function timelineOf(anomaly: Anomaly): Query | null {
  const subject = ofSubject(anomaly)
  if (!subject) return null
  const first = Math.min(Date.parse(anomaly.first_seen), compared(anomaly))
  return {
    ...subject,
    limit: MANY,
    since: new Date(first - AROUND).toISOString(),
    until: new Date(Date.parse(anomaly.last_seen) + AROUND).toISOString(),
  }
}

/** When the login was that a travel is compared with: it belongs to the story. */
function compared({ evidence }: Anomaly): number {
  return momentOf(evidence, 'other_time')?.getTime() ?? Infinity
}

function ofSubject({ subject_kind, subject }: Anomaly): Query | null {
  switch (subject_kind) {
    case 'user':
      return { user: subject }
    case 'ip':
      return { ip: subject }
    case 'prefix':
      return { prefix: subject }
    case 'asn':
      return { asn: Number(subject) }
    case 'country':
      return { country: subject }
    default:
      return null
  }
}
