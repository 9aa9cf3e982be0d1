"""The fault matrix: one scenario per kind of fault, on a real broker and a real PostgreSQL, each with a seed.

`ground` is the broker and the database, each behind a `proxy` that can stall, delay and cut. A `scene` is one row with
one seed: a database and topics of its own, a `load` of acknowledged records, the processes (`actors`, which die at
`points`), and a `watch` that times how they recover. `rows_*` say what goes wrong; `verdict` says what must hold in
the end, with the oracle of the heart's fault test; `command` runs them and `table` writes what was measured.
"""
