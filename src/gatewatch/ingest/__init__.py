"""Vendor records into login events. Pure: bytes and their arrival in, records out; no I/O, no clock.

- `contract`   what an adapter takes and gives, and how generated ids are made.
- `framing`    a stream of bytes into the pieces an adapter reads.
- `native`, `seed`, `sshd`   one adapter each; `registry` names them.
- `normalise`, `moments`, `safejson`, `reasons`   what they share: texts and addresses, times, JSON, reason codes.
"""
