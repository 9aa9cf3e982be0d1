/** The detectors that come with Gatewatch, as choices of a filter; a test holds them to the registry. */
export const DETECTORS = [
  'account_enumeration',
  'account_takeover',
  'brute_force',
  'credential_stuffing',
  'distributed_brute_force',
  'dormant_account',
  'impossible_travel',
  'login_risk',
  'new_country',
  'new_device',
  'password_spraying',
  'unusual_time',
] as const
