"""Gatewatch detects anomalous logins in real time and says why.

The map, from the bottom up:

- `core`       what a login event, a profile, an assessment is; `step` and `review` decide. Pure.
- `detectors`  one file per threat.  `models` scores learnt from data.  `ingest` vendor records into events.
- `simulator`  seeded worlds with labelled attacks.
- `checks`     the conformance suites that every detector and model passes, third parties' included.
- `ports`      what the use cases need from the world, as Protocols.
- `services`   the use cases.  `adapters` PostgreSQL, files, geo databases, in-memory fakes.
- `bootstrap`  the one place that wires them.  `worker` and `cli` are the processes.
"""

__version__ = "0.1.0"
