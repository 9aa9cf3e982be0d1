"""The log on Apache Kafka; imported only where Kafka is configured.

Records are appended by `log`, read by a consumer group's member in `group`, and topics are looked after by `topics`.
What is processed, and from where on, is in PostgreSQL: the broker's own offsets serve lag tools only.
"""
