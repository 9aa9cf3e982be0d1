"""PostgreSQL: migrations, the embedded server, the log, the store."""
