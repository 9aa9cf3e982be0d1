"""The parts of the embedded server, from the bottom up.

- `errors`       what can stand in the way, in one plain line each.
- `binaries`     which PostgreSQL.  `accounts` and `unprivileged`: as whom, for it refuses to run as root.
- `processes`    the running server: its pid file, its signals, its end.
- `access`       the port and the passwords, kept in a file that only its owner reads.
- `clusters`     the files on disk: made, checked, handed to the account that runs the server.

`gatewatch.adapters.postgres.server` puts them together.
"""
